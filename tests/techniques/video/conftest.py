"""Clips with numbered frames."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor


@pytest.fixture
def numbered_clips() -> Tensor:
    """400 clips (row, 2, 8, 3, 3); every value of frame t of channel c is t + 100 c."""
    clip = torch.arange(8.0).reshape(1, 1, 8, 1, 1) + 100 * torch.arange(2.0).reshape(1, 2, 1, 1, 1)
    return clip.expand(400, 2, 8, 3, 3).clone()
