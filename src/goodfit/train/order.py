"""In which order an epoch draws the training rows: the OnSample stage."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.stages import OnSample


def epoch_rows(techniques: Sequence[OnSample], y: Tensor, drawing: torch.Generator) -> Tensor:
    """Row numbers of one epoch (n′,), shuffled, from the targets y (n, …).

    >>> sorted(epoch_rows([], torch.zeros(4), torch.Generator()).tolist())
    [0, 1, 2, 3]
    """
    rows = torch.arange(len(y))
    for technique in techniques:
        rows = technique.rows(y, rows, drawing)
    return rows[torch.randperm(len(rows), generator=drawing)]
