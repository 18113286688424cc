from __future__ import annotations

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import FrameRate


@pytest.mark.parametrize("level", [-1.0, -0.4, 0.0, 0.7, 1.0])
def test_frames_are_the_nearest_at_this_speed(level: float, numbered_clips: Tensor) -> None:
    result = FrameRate(1.0).transform(numbered_clips, (torch.full((400,), level),), Inputs("video"))[0, 0, :, 0, 0]
    expected = [min(7, max(0, round(3.5 + (t - 3.5) * 2**level))) for t in range(8)]
    assert result.tolist() == expected
    assert (level == 0) == (expected == list(range(8)))
