"""Previews of augmentation: training samples as training would transform them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.data.kinds import DataKind
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.rng import generator
from goodfit.stages import Augmentation, BatchTransform, OnBatch
from goodfit.technique import Technique
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_batch import BatchTransforms, DataStats, check_batch
from goodfit.train.stages.on_model import Attachment

BATCH_SIZE = 128
"""Rows of a batch that contains the previewed rows."""


def variants(
    split: Split, recipe: Recipe | Technique | str, count: int = 12, rows: Sequence[int] = (0,), seed: int = 0
) -> Tensor:
    """Training samples as training would transform them in different epochs.

    Augmentations act at full strength. Rows of tables and series are previewed as parts of a batch, in which techniques
    that mix rows (CutMix, MixUp) act as well; on other data kinds these do not act. Adversarial techniques and
    techniques inside the network do not act.

    Shape: (len(rows), count, *input_shape).

    Raises:
        InputError: the recipe has no augmentation or does not fit the data; the rows do not exist.
    """
    recipe = check_preview(split, recipe, count, rows)
    if split.spec.inputs.data_kind.previewed_in_batch:
        return variants_in_batches(split, recipe, count, rows, seed).x
    return variants_with_targets(split, recipe, count, rows, seed)[0]


def variants_with_targets(
    split: Split, recipe: Recipe | Technique | str, count: int = 12, rows: Sequence[int] = (0,), seed: int = 0
) -> tuple[Tensor, Tensor]:
    """`variants` with their targets; masks are transformed with their images. Shape: both (len(rows), count, …)."""
    recipe, train = check_preview(split, recipe, count, rows), split.train
    context = StepContext(generator(seed, 1, "noise"))
    augmenter = BatchAugmenter(recipe, context, split.spec.inputs, split.spec.classes)
    augmenter.check(train.x, train.y)
    repeated = torch.tensor(rows).repeat_interleave(count)
    batch = augmenter(train.x[repeated], train.y[repeated])
    x, y = (t.reshape(len(rows), count, *t.shape[1:]) for t in batch)
    return x, y


@dataclass(frozen=True, eq=False)
class BatchVariants:
    """Training rows as parts of several batches.

    Shape: x (rows, batches, *input_shape); y (rows, batches, class or outputs): numbers, or class probabilities.
    """

    x: Tensor
    y: Tensor


def variants_in_batches(split: Split, recipe: Recipe, count: int, rows: Sequence[int], seed: int = 0) -> BatchVariants:
    """The rows as parts of `count` batches, each filled up with other training rows at random.

    Raises:
        InputError: the recipe does not fit the data.
    """
    train, noise, order = split.train, generator(seed, 1, "noise"), generator(seed, 1, "order")
    transforms = batch_transforms(split, recipe, noise)
    check_batch(transforms, train.x, train.y)
    is_other = torch.ones(len(train), dtype=torch.bool)
    is_other[list(rows)] = False
    others, batches = is_other.nonzero().flatten(), []
    for _ in range(count):
        filling = others[torch.randperm(len(others), generator=order)][: max(0, BATCH_SIZE - len(rows))]
        numbers = torch.cat([torch.tensor(rows, dtype=torch.long), filling])
        x, y = transforms(train.x[numbers], train.y[numbers], lambda x, y: torch.zeros_like(x))
        batches.append((x[: len(rows)], _probabilities(y[: len(rows)], split)))
    return BatchVariants(torch.stack([x for x, _ in batches], 1), torch.stack([y for _, y in batches], 1))


def batch_transforms(split: Split, recipe: Recipe, noise: torch.Generator) -> BatchTransforms:
    """The part of a training step that transforms the batch, without a network."""
    shown = Recipe.of([t for t in recipe if isinstance(t, Augmentation | BatchTransform)])
    return BatchTransforms(shown, Attachment(nn.Identity(), StepContext(noise)), DataStats.of(split, shown))


def targets(split: Split, rows: Sequence[int]) -> Tensor:
    """The targets of training rows as in `BatchVariants`: (rows, class or outputs)."""
    return _probabilities(split.train.y[list(rows)], split)


def previewed(recipe: Recipe, kind: DataKind) -> list[Technique]:
    """The techniques of a recipe that act in previews of this data kind."""
    return [
        t
        for t in recipe
        if isinstance(t, Augmentation) or (kind.previewed_in_batch and isinstance(t, BatchTransform) and t.needs_floats)
    ]


def example_rows(split: Split, count: int) -> list[int]:
    """The numbers of some training rows, of as many different classes as possible."""
    y = split.train.y
    if y.is_floating_point() or y.ndim > 1:
        return list(range(min(count, len(y))))
    by_class = [(y == c).nonzero().flatten().tolist() for c in y.unique().tolist()]
    longest = max(map(len, by_class))
    alternating = [rows[i] for i in range(longest) for rows in by_class if i < len(rows)]
    return alternating[:count]


def check_preview(split: Split, recipe: Recipe | Technique | str, count: int, rows: Sequence[int]) -> Recipe:
    """Check that a recipe has something to preview and that the rows exist; return the recipe.

    Raises:
        InputError: the recipe has nothing to preview, or a row does not exist.
    """
    recipe, kind, last = Recipe.of(recipe), split.spec.inputs.data_kind, len(split.train) - 1
    if not previewed(recipe, kind):
        names = ", ".join(t.name() for t in recipe.at(OnBatch)) or recipe.text() or "nothing"
        raise InputError(f"augment: the recipe must have an augmentation such as {kind.example}, got {names}.")
    if count < 1 or not rows or min(rows) < 0 or max(rows) > last:
        raise InputError(
            f"augment: count must be at least 1 and rows among 0 to {last}, got count={count}, rows={rows}."
        )
    return recipe


def _probabilities(y: Tensor, split: Split) -> Tensor:
    return y if y.is_floating_point() else nn.functional.one_hot(y.long(), len(split.spec.classes)).float()
