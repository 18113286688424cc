"""Series for the tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture
def waves() -> Callable[..., Tensor]:
    """Random series (n, 3, time), with channels of scale 1, 10 and 100."""

    def make(n: int = 40, time: int = 50, dtype: torch.dtype = torch.float64) -> Tensor:
        x = torch.randn(n, 3, time, generator=torch.Generator().manual_seed(0), dtype=dtype)
        return x * torch.tensor([1.0, 10.0, 100.0], dtype=dtype)[:, None]

    return make


@pytest.fixture
def ramps() -> Callable[..., Tensor]:
    """Series (n, 1, time) in which the value at time step t is t."""

    def make(n: int, time: int) -> Tensor:
        return torch.arange(time, dtype=torch.float64).expand(n, 1, time).contiguous()

    return make
