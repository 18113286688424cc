from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.ops.image_warp import warp_images
from goodfit.techniques import Scale


def test_wider_and_lower() -> None:
    square = torch.zeros(1, 1, 20, 20, dtype=torch.float64)
    square[..., 6:14, 6:14] = 1.0
    draw = torch.ones(1, dtype=torch.float64), -torch.ones(1, dtype=torch.float64)
    result = warp_images(square, Scale(1.0).matrix(draw, (20, 20)), None, "black", 0.0, affine=True)[0, 0]
    assert float(result[9].sum()) == pytest.approx(16, abs=1)
    assert float(result[:, 9].sum()) == pytest.approx(4, abs=1)


def test_both_sides_are_independent(largest: Callable[..., Tensor]) -> None:
    matrices = largest(Scale(0.5), (10, 20))
    across, down = matrices[:, 0, 0].log(), matrices[:, 1, 1].log()
    for factors in (across, down):
        assert float(factors.abs().max()) == pytest.approx(np.log(1.5), abs=2e-3)
    assert abs(np.corrcoef(across, down)[0, 1]) < 4 / 2000**0.5
