"""Series read at other times than they were measured."""

from __future__ import annotations

from torch import Tensor


def read(x: Tensor, at: Tensor) -> Tensor:
    """Series x (batch, channels, time) at the times `at` (batch, time), counted in steps, straight in between.

    Whole numbers give the very values; before the beginning and behind the end the border's value goes on.

    >>> import torch
    >>> read(torch.tensor([[[0.0, 10.0, 30.0]]]), torch.tensor([[0.5, 1.0, 1.25]]))
    tensor([[[ 5., 10., 15.]]])
    """
    last = x.shape[2] - 1
    before = at.floor().clamp(0, last)
    first = before.long()
    values, following = along(x, first), along(x, (first + 1).clamp(max=last))
    return values + (at - before).clamp(0, 1)[:, None].to(x.dtype) * (following - values)


def along(x: Tensor, index: Tensor) -> Tensor:
    """The time steps `index` (batch, time) of series x (batch, channels, time), the same of all channels.

    >>> import torch
    >>> along(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[2, 0]]))
    tensor([[[3., 1.]]])
    """
    found: Tensor = x.gather(2, index[:, None].expand(-1, x.shape[1], -1))
    return found
