from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.ops.image_warp import warp_images
from goodfit.techniques import ResizedCrop


def test_a_quarter_is_enlarged(photos: Tensor) -> None:
    draw = tuple(torch.full((6,), value, dtype=torch.float64) for value in (-1.0, 0.0, 1.0, -1.0))
    matrix = ResizedCrop(0.25, 1.0).matrix(draw, (12, 16))
    result = warp_images(photos, matrix, None, "edge", 0.0, affine=True)
    part = photos[..., :6, 8:]  # top right
    expected = F.interpolate(part, (12, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(result[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=0, atol=1e-12)


def test_parts_are_inside_with_the_given_areas_and_ratios(largest: Callable[..., Tensor]) -> None:
    matrices = largest(ResizedCrop(0.3, 2.0), (10, 20))
    across, down = matrices[:, 0, 0], matrices[:, 1, 1]
    assert float(across.max()) <= 1
    assert float(down.max()) <= 1
    whole = (across < 1) & (down < 1)
    shares, proportions = (across * down)[whole], (across / down)[whole].log()
    assert 0.29 < float(shares.min()) < 0.32
    assert float(proportions.abs().max()) == pytest.approx(0.693, abs=0.01)
    for moved, size, side in ((matrices[:, 0, 2], 20, across), (matrices[:, 1, 2], 10, down)):
        assert bool((moved.abs() <= (1 - side) * size / 2 + 1e-5).all())
        assert float((moved.abs() - (1 - side) * size / 2).max()) > -0.05


def test_nothing_beyond_the_border_appears(augment: Callable[..., Tensor]) -> None:
    white = torch.ones(200, 1, 12, 12, dtype=torch.float64)
    inner = augment(ResizedCrop(0.2, 1.5), white)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner, torch.ones_like(inner))
