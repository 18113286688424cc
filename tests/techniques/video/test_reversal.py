from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Reversal


def test_clips_run_backwards(numbered: Tensor, augment: Callable[..., Tensor]) -> None:
    found = augment(Reversal(0.5), numbered, inputs=Inputs("video", 0.0, 200.0))
    backwards = (found == numbered.flip(2)).flatten(1).all(1)
    assert 150 < int(backwards.sum()) < 250
    assert torch.equal(found[~backwards], numbered[~backwards])
