from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Reversal


def test_clips_are_reversed(numbered_clips: Tensor, augment: Callable[..., Tensor]) -> None:
    result = augment(Reversal(0.5), numbered_clips, inputs=Inputs("video", 0.0, 200.0))
    backwards = (result == numbered_clips.flip(2)).flatten(1).all(1)
    assert 150 < int(backwards.sum()) < 250
    assert torch.equal(result[~backwards], numbered_clips[~backwards])
