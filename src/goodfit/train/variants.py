"""What a recipe's augmentations make of samples, to look at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import OnBatch
from goodfit.technique import Technique
from goodfit.train.batched import acting, seen
from goodfit.train.rng import generator
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext


def variants(
    split: Split, recipe: Recipe | Technique | str, count: int = 12, rows: Sequence[int] = (0,), seed: int = 0
) -> Tensor:
    """Training samples as training would see them in different epochs: (len(rows), count, *input_shape).

    Augmentations act, at full strength; tables and series are seen in a batch of others, in which what mixes rows
    (CutMix, MixUp) acts, too. What mixes other samples, attacks them or acts inside the network does not.

    Raises:
        InputError: a recipe without augmentations, or one that does not fit the data; rows that there are not.
    """
    chosen = asked(split, recipe, count, rows)
    if split.spec.inputs.data_kind.previewed_in_batch:
        return seen(split, chosen, count, rows, seed).x
    return with_targets(split, chosen, count, rows, seed)[0]


def with_targets(
    split: Split, recipe: Recipe | Technique | str, count: int = 12, rows: Sequence[int] = (0,), seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The same with their targets, which are masks that moved with their images: both (len(rows), count, …)."""
    chosen, train = asked(split, recipe, count, rows), split.train
    augmenting = BatchAugmenter(chosen, StepContext(generator(seed, 1, "noise")), split.spec.inputs, split.spec.classes)
    augmenting.check(train.x)
    which = torch.tensor(rows).repeat_interleave(count)
    made = augmenting(train.x[which], train.y[which])
    x, y = (t.reshape(len(rows), count, *t.shape[1:]) for t in made)
    return x, y


def asked(split: Split, recipe: Recipe | Technique | str, count: int, rows: Sequence[int]) -> Recipe:
    """The recipe, if there is something to see of it in variants of these training rows.

    Raises:
        InputError: a recipe without augmentations; rows that there are not.
    """
    chosen, kind, last = Recipe.of(recipe), split.spec.inputs.data_kind, len(split.train) - 1
    if not acting(chosen, kind):
        names = ", ".join(t.name() for t in chosen.at(OnBatch)) or chosen.text() or "nothing"
        raise InputError(f"augment: the recipe must hold an augmentation such as {kind.example}, got {names}.")
    if count < 1 or not rows or min(rows) < 0 or max(rows) > last:
        raise InputError(
            f"augment: there must be a variant of some of rows 0 to {last}, got count={count}, rows={rows}."
        )
    return chosen


def examples(split: Split, count: int) -> list[int]:
    """The numbers of some training rows, of as many classes as there are."""
    y = split.train.y
    if y.is_floating_point() or y.ndim > 1:
        return list(range(min(count, len(y))))
    turns = [(y == c).nonzero().flatten().tolist() for c in y.unique().tolist()]
    by_turn = [rows[turn] for turn in range(max(map(len, turns))) for rows in turns if turn < len(rows)]
    return by_turn[:count]
