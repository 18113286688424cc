"""In which order an epoch draws the training rows: the OnSample stage."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.data import TrainPart
from goodfit.stages import OnSample
from goodfit.train.rng import generator


def epoch_rows(techniques: Sequence[OnSample], y: Tensor, drawing: torch.Generator) -> Tensor:
    """Row numbers of one epoch (n′,), shuffled, from the targets y (n, …).

    >>> sorted(epoch_rows([], torch.zeros(4), torch.Generator()).tolist())
    [0, 1, 2, 3]
    """
    if not techniques:
        return torch.randperm(len(y), generator=drawing)
    rows = torch.arange(len(y))
    for technique in techniques:
        rows = technique.rows(y, rows, drawing)
    return rows[torch.randperm(len(rows), generator=drawing)]


def epoch_batches(
    techniques: Sequence[OnSample], train: TrainPart, seed: int, epoch: int, size: int
) -> Sequence[Tensor]:
    """The row numbers of each batch; a single row left over joins the batch before it (batch norm needs two)."""
    rows = epoch_rows(techniques, train.y, generator(seed, epoch, "order")).to(train.x.device)
    return torch.split(rows, batch_sizes(len(rows), size))


def spares(techniques: Sequence[OnSample]) -> bool:
    """Whether augmentations leave the first drawing of a row in an epoch as it is."""
    return any(technique.augment == "repeats" for technique in techniques)


def again(rows: Tensor) -> Tensor:
    """Which drawings (n,) of an epoch are those of a row that was drawn before.

    >>> again(torch.tensor([3, 5, 3, 3, 5]))
    tensor([False, False,  True,  True,  True])
    """
    ordered, places = rows.sort(stable=True)
    found = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    found[places[1:]] = ordered[1:] == ordered[:-1]
    return found


def batch_sizes(rows: int, size: int) -> list[int]:
    """The sizes of the batches of an epoch.

    >>> batch_sizes(10, 4), batch_sizes(9, 4), batch_sizes(1, 4)
    ([4, 4, 2], [4, 5], [1])
    """
    whole, rest = divmod(rows, size)
    if rest == 1 and whole and size > 1:
        return [size] * (whole - 1) + [size + 1]
    return [size] * whole + [rest] * (rest > 0)
