from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.ops.image_warp import warp_images
from goodfit.techniques import Shear


def test_a_vertical_line_slants() -> None:
    line = torch.zeros(1, 1, 11, 11, dtype=torch.float64)
    line[..., 5] = 1.0
    draw = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    result = warp_images(line, Shear(45.0).matrix(draw, (11, 11)), None, "black", 0.0, affine=True)[0, 0]
    torch.testing.assert_close(result, torch.eye(11, dtype=torch.float64).flip(1), rtol=0, atol=1e-9)


def test_angles(largest: Callable[..., Tensor]) -> None:
    matrices = largest(Shear(30.0), (10, 20))
    for entries in (matrices[:, 0, 1], matrices[:, 1, 0]):
        angles = entries.atan().rad2deg()
        assert 29.9 < float(angles.abs().max()) <= 30.001
        assert float(angles.abs().mean()) == pytest.approx(15, abs=0.9)
