"""Values per sample, broadcast over a batch."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def per_sample(values: Tensor, x: Tensor) -> Tensor:
    """Reshape one value per sample so that it broadcasts against the batch.

    Shape: values (batch,), x (batch, …) → (batch, 1, …), with as many dimensions as x.

    >>> import torch
    >>> per_sample(torch.zeros(3), torch.zeros(3, 1, 2)).shape
    torch.Size([3, 1, 1])
    """
    shaped: Tensor = values.reshape(-1, *[1] * (x.ndim - 1))
    return shaped


def blend(values: Tensor, share: Tensor, partner: Tensor) -> Tensor:
    """Mix each row with its partner's row: share · values + (1 − share) · values[partner].

    Shape: values (batch, …), share (batch,) or (1,) for one share in the whole batch, partner (batch,) row numbers.

    >>> import torch
    >>> blend(torch.tensor([[0.0], [4.0]]), torch.tensor([0.75]), torch.tensor([1, 0])).flatten()
    tensor([1., 3.])
    """
    weight = per_sample(share.to(values.dtype), values)
    return weight * values + (1 - weight) * values[partner]


def maybe_nonzero(value: Any) -> bool:
    """Whether a number may differ from 0. A tensor (a value per member of a population) always may.

    >>> import torch
    >>> maybe_nonzero(0.0), maybe_nonzero(-1.0), maybe_nonzero(torch.zeros(1))
    (False, True, True)
    """
    return isinstance(value, Tensor) or value != 0
