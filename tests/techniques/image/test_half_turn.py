"""The common behaviour of flips is tested in test_horizontal_flip.py."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.techniques import HalfTurn


def test_new_positions_of_pixels(augment: Callable[..., Tensor]) -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert augment(HalfTurn(1.0), image).flatten().tolist() == [5, 4, 3, 2, 1, 0]
