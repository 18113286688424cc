"""Rows as training sees them among others: what exchanges columns, blends rows or measures a batch needs a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.data.kinds import DataKind
from goodfit.recipe import Recipe
from goodfit.stages import Augmentation, BatchTransform
from goodfit.technique import Technique
from goodfit.train.rng import generator
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_batch import BatchTransforms, DataStats
from goodfit.train.stages.on_model import Attachment

BATCH = 128
"""Rows of a batch, those that are looked at among them."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Training rows in several batches.

    Shape: x (rows, batches, \\*input_shape); y (rows, batches, class or outputs): numbers, or probabilities of classes.
    """

    x: Tensor
    y: Tensor


def acting(recipe: Recipe, kind: DataKind) -> list[Technique]:
    """What of a recipe is seen in variants of a sample: augmentations, and in a batch what changes inputs."""
    return [
        t
        for t in recipe
        if isinstance(t, Augmentation) or (kind.previewed_in_batch and isinstance(t, BatchTransform) and t.needs_floats)
    ]


def seen(split: Split, recipe: Recipe, count: int, rows: Sequence[int], seed: int = 0) -> Seen:
    """The rows in `count` batches, each with other training rows, drawn anew, as company.

    Augmentations and changes of the batch act, at full strength; attacks, and what acts inside the network, do not.

    Raises:
        InputError: a recipe that does not fit the data.
    """
    train, noise, order = split.train, generator(seed, 1, "noise"), generator(seed, 1, "order")
    batches = stage(split, recipe, noise)
    batches.check(train.x)
    others = torch.ones(len(train), dtype=torch.bool)
    others[list(rows)] = False
    company, found = others.nonzero().flatten(), []
    for _ in range(count):
        drawn = company[torch.randperm(len(company), generator=order)][: max(0, BATCH - len(rows))]
        which = torch.cat([torch.tensor(rows, dtype=torch.long), drawn])
        x, y = batches(train.x[which], train.y[which], lambda x, y: torch.zeros_like(x))
        found.append((x[: len(rows)], _soft(y[: len(rows)], split)))
    return Seen(torch.stack([x for x, _ in found], 1), torch.stack([y for _, y in found], 1))


def stage(split: Split, recipe: Recipe, noise: torch.Generator) -> BatchTransforms:
    """The part of a training step that makes the batch, without a network."""
    shown = Recipe.of([t for t in recipe if isinstance(t, Augmentation | BatchTransform)])
    return BatchTransforms(shown, Attachment(nn.Identity(), StepContext(noise)), DataStats.of(split, shown))


def targets(split: Split, rows: Sequence[int]) -> Tensor:
    """The targets of training rows as `Seen` has them: (rows, class or outputs)."""
    return _soft(split.train.y[list(rows)], split)


def _soft(y: Tensor, split: Split) -> Tensor:
    return y if y.is_floating_point() else nn.functional.one_hot(y.long(), len(split.spec.classes)).float()
