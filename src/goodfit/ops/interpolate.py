"""Series and clips at other times than those they were recorded at."""

from __future__ import annotations

from torch import Tensor


def interpolate_linear(x: Tensor, at: Tensor) -> Tensor:
    """Values of series at arbitrary times, linearly interpolated.

    Whole numbers give the recorded values to the bit. Times beyond the ends give the first or last value.

    Shape: x (batch, channel, time), at (batch, new time) in time steps → (batch, channel, new time).

    >>> import torch
    >>> interpolate_linear(torch.tensor([[[0.0, 10.0, 30.0]]]), torch.tensor([[0.5, 1.0, 1.25]]))
    tensor([[[ 5., 10., 15.]]])
    """
    last = x.shape[2] - 1
    before = at.floor().clamp(0, last)
    index = before.long()
    left, right = take_steps(x, index), take_steps(x, (index + 1).clamp(max=last))
    return left + (at - before).clamp(0, 1)[:, None].to(x.dtype) * (right - left)


def take_steps(x: Tensor, index: Tensor) -> Tensor:
    """Select time steps of series, the same in all channels.

    Shape: x (batch, channel, time), index (batch, new time) → (batch, channel, new time).

    >>> import torch
    >>> take_steps(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[2, 0]]))
    tensor([[[3., 1.]]])
    """
    selected: Tensor = x.gather(2, index[:, None].expand(-1, x.shape[1], -1))
    return selected


def take_frames(x: Tensor, index: Tensor) -> Tensor:
    """Select frames of clips.

    Shape: x (batch, channel, frame, …), index (batch, new frame) → (batch, channel, new frame, …).

    >>> import torch
    >>> take_frames(torch.tensor([[[5.0, 6.0]]]), torch.tensor([[1, 1]]))
    tensor([[[6., 6.]]])
    """
    shaped = index.reshape(len(x), 1, -1, *[1] * (x.ndim - 3))
    return x.gather(2, shaped.expand(-1, x.shape[1], -1, *x.shape[3:]))
