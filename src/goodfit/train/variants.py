"""What a recipe's augmentations make of samples, to look at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Augmentation, OnBatch
from goodfit.technique import Technique
from goodfit.train.acting import Source
from goodfit.train.augmenting import Augmenting
from goodfit.train.seeds import generator


def variants(
    split: Split, recipe: Recipe | Technique | str, count: int = 12, rows: Sequence[int] = (0,), seed: int = 0
) -> Tensor:
    """Training samples as training would see them in different epochs: (len(rows), count, *input_shape).

    Only augmentations act, at full strength; what mixes samples, attacks them or acts inside the network does not.

    Raises:
        InputError: a recipe without augmentations, or one that does not fit the data; rows that there are not.
    """
    chosen, train = Recipe.of(recipe), split.train
    if not chosen.at(Augmentation):
        names = ", ".join(t.name() for t in chosen.at(OnBatch)) or chosen.text() or "nothing"
        raise InputError(f"augment: the recipe must hold an augmentation such as rotation=15, got {names}.")
    if count < 1 or not rows or min(rows) < 0 or max(rows) >= len(train):
        raise InputError(
            f"augment: there must be a variant of some of rows 0 to {len(train) - 1}, got count={count}, rows={rows}."
        )
    augmenting = Augmenting(chosen, Source(generator(seed, 1, "noise")), split.spec.inputs, split.spec.classes)
    augmenting.check(train.x)
    which = torch.tensor(rows).repeat_interleave(count)
    made = augmenting(train.x[which], train.y[which])
    return made.reshape(len(rows), count, *made.shape[1:])


def examples(split: Split, count: int) -> list[int]:
    """The numbers of some training rows, of as many classes as there are."""
    y = split.train.y
    if y.is_floating_point():
        return list(range(min(count, len(y))))
    turns = [(y == c).nonzero().flatten().tolist() for c in y.unique().tolist()]
    by_turn = [rows[turn] for turn in range(max(map(len, turns))) for rows in turns if turn < len(rows)]
    return by_turn[:count]
