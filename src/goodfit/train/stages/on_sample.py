"""Runs the OnSample stage: which training rows an epoch draws, in which order, and synthetic rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from goodfit.data import Inputs, TrainPart
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.rng import generator, stream
from goodfit.stages import OnSample, Synthesis


def epoch_rows(techniques: Sequence[OnSample], y: Tensor, generator: torch.Generator) -> Tensor:
    """Row numbers of one epoch (n′,), shuffled, from the targets y (n, …).

    >>> sorted(epoch_rows([], torch.zeros(4), torch.Generator()).tolist())
    [0, 1, 2, 3]
    """
    if not techniques:
        return torch.randperm(len(y), generator=generator)
    rows = torch.arange(len(y))
    for technique in techniques:
        rows = technique.rows(y, rows, generator)
    return rows[torch.randperm(len(rows), generator=generator)]


def epoch_batches(
    techniques: Sequence[OnSample], train: TrainPart, seed: int, epoch: int, size: int
) -> Sequence[Tensor]:
    """The row numbers of each batch. A single remaining row joins the batch before it, as batch norm needs two rows."""
    rows = epoch_rows(techniques, train.y, generator(seed, epoch, "order")).to(train.x.device)
    return torch.split(rows, batch_sizes(len(rows), size))


def augments_repeats_only(techniques: Sequence[OnSample]) -> bool:
    """Whether only repeated samples of an epoch are augmented."""
    return any(technique.augment == "repeats" for technique in techniques)


def is_repeat(rows: Tensor) -> Tensor:
    """Mask (n,) of the row numbers (n,) that occurred before in an epoch.

    >>> is_repeat(torch.tensor([3, 5, 3, 3, 5]))
    tensor([False, False,  True,  True,  True])
    """
    ordered, positions = rows.sort(stable=True)
    repeats = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    repeats[positions[1:]] = ordered[1:] == ordered[:-1]
    return repeats


def batch_sizes(rows: int, size: int) -> list[int]:
    """The sizes of the batches of an epoch.

    >>> batch_sizes(10, 4), batch_sizes(9, 4), batch_sizes(1, 4)
    ([4, 4, 2], [4, 5], [1])
    """
    whole, rest = divmod(rows, size)
    if rest == 1 and whole and size > 1:
        return [size] * (whole - 1) + [size + 1]
    return [size] * whole + [rest] * (rest > 0)


def add_synthetic_rows(train: TrainPart, recipe: Recipe, inputs: Inputs, seed: int) -> TrainPart:
    """The training part followed by the synthetic rows of a recipe's techniques; their row number is −1.

    Losses, metrics and class shares are computed on the original rows only.
    """
    for technique in recipe.at(Synthesis):
        x, y = technique.synthesize(train.x, train.y, inputs, stream(seed, 0, "rows"))
        if len(y):
            rows = np.concatenate([train.rows, np.full(len(y), -1, train.rows.dtype)])
            train = TrainPart(torch.cat([train.x, x]), torch.cat([train.y, y]), rows)
    return train


@dataclass(eq=False)
class EpochSampler:
    """Draws the training rows of each epoch in a new order, as `fit` does; a sampler for a DataLoader."""

    recipe: Recipe
    y: Tensor | None  # targets of the training rows
    seed: int
    epochs: int = 0  # drawn so far

    def rows(self) -> Tensor:
        """Row numbers of the next epoch (n′,).

        Raises:
            InputError: the training rows are not known.
        """
        self.epochs += 1
        return self._rows_of(self.epochs)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows().tolist())

    def __len__(self) -> int:
        return len(self._rows_of(0))

    def _rows_of(self, epoch: int) -> Tensor:
        if self.y is None:
            raise InputError(
                f"attach: the training rows must be known to draw them, got y={self.y}; give attach(…, data=(x, y))."
            )
        return epoch_rows(self.recipe.at(OnSample), self.y, generator(self.seed, epoch, "order"))
