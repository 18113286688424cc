"""The common behaviour of flips is tested in test_horizontal_flip.py."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.techniques import VerticalFlip


def test_new_positions_of_pixels(augment: Callable[..., Tensor]) -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert augment(VerticalFlip(1.0), image).flatten().tolist() == [3, 4, 5, 0, 1, 2]
