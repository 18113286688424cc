from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import FrameDrop


def test_dropped_frames_repeat_the_previous_one(numbered_clips: Tensor, augment: Callable[..., Tensor]) -> None:
    result = augment(FrameDrop(0.3), numbered_clips, inputs=Inputs("video", 0.0, 200.0))
    shown = result[:, 0, :, 0, 0]
    assert torch.equal(
        result, shown[:, None, :, None, None] + 100 * torch.arange(2.0).reshape(1, 2, 1, 1, 1) + 0 * result
    )
    assert bool((shown[:, 0] == 0).all())
    own = shown == torch.arange(8.0)
    assert torch.equal(shown[:, 1:][~own[:, 1:]], shown[:, :-1][~own[:, 1:]])
    assert float((~own[:, 1:]).double().mean()) == pytest.approx(0.3, abs=4 * (0.21 / 2800) ** 0.5)
