"""Fixtures for the tests of techniques that act inside the network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture
def bits_for_mask() -> Callable[[Tensor], Tensor]:
    """Builds the random bits with which exactly the units with a nonzero mask are kept, at any rate above 0."""

    def draw(mask: Tensor) -> Tensor:
        return torch.where(mask != 0, 32767, -32768).to(torch.int16)

    return draw
