"""Random masks: boxes in images or series, and subsets of columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def random_boxes(space: Sequence[int], lengths: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one box per row with a uniform centre. Parts beyond the border are cut off.

    Shape: lengths (rows, dimensions of space), whole numbers → (rows, *space), true inside the box.

    >>> random_boxes([4], torch.tensor([[0], [9]]), torch.Generator().manual_seed(0))
    tensor([[False, False, False, False],
            [ True,  True,  True,  True]])
    """
    rows, device = len(lengths), lengths.device
    inside = torch.ones(rows, *space, dtype=torch.bool, device=device)
    for axis, size in enumerate(space):
        centre = torch.randint(size, (rows,), generator=generator, device=device)
        start = centre - lengths[:, axis] // 2
        end = start + lengths[:, axis]
        at = torch.arange(size, device=device)
        within = (at >= start[:, None]) & (at < end[:, None])  # (rows, size)
        shape = [rows] + [size if other == axis else 1 for other in range(len(space))]
        inside &= within.reshape(shape)
    return inside


def random_columns(share: Tensor, features: int, generator: torch.Generator) -> Tensor:
    """Draw a subset of the columns for each row: each column is in it with the row's probability.

    Subsets of exact sizes would need sorting, which costs more than a training step.

    Shape: share (rows,) → (rows, features), true for the columns in the subset.

    >>> random_columns(torch.tensor([0.0, 1.0]), 3, torch.Generator())
    tensor([[False, False, False],
            [ True,  True,  True]])
    """
    noise = torch.empty(len(share), features, dtype=torch.float32, device=share.device).uniform_(generator=generator)
    return noise < share[:, None]
