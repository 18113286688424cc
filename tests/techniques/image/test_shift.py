from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.ops.image_warp import warp_images
from goodfit.techniques import Shift


def test_whole_pixels_to_the_right_and_downwards(photos: Tensor) -> None:
    one = torch.ones(6, dtype=torch.float64)
    matrix = Shift(0.25).matrix((one, one), (12, 16))
    result = warp_images(photos, matrix, None, "black", 0.0, affine=True)
    torch.testing.assert_close(result[..., 3:, 4:], photos[..., :-3, :-4], rtol=0, atol=1e-12)
    beyond = torch.cat([result[..., :3, :].flatten(), result[..., :4].flatten()])
    torch.testing.assert_close(beyond, torch.zeros_like(beyond), rtol=0, atol=1e-12)


def test_shifts_are_uniform_and_both_directions_independent(largest: Callable[..., Tensor]) -> None:
    right, down = largest(Shift(0.2), (10, 20))[:, :2, 2].unbind(1)
    assert 3.98 < float(right.abs().max()) <= 4
    assert 1.99 < float(down.abs().max()) <= 2
    assert float(right.mean()) == pytest.approx(0, abs=0.21)
    assert abs(float(torch.corrcoef(torch.stack([right, down]))[0, 1])) < 4 / 2000**0.5
