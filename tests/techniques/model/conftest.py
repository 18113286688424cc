"""Draws that techniques with 16-bit decisions are given by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture
def decided() -> Callable[[Tensor], Tensor]:
    """The draw with which exactly those units stay that are not 0 in a mask, at any rate above 0."""

    def draw(mask: Tensor) -> Tensor:
        return torch.where(mask != 0, 32767, -32768).to(torch.int16)

    return draw
