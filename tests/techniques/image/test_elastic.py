from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from goodfit.techniques import Elastic


@pytest.mark.parametrize("sigma", [1.5, 4.0])
def test_equals_the_published_formula(sigma: float) -> None:
    """Uniform noise, smoothed by scipy's Gaussian filter, times alpha."""
    noise = torch.rand(3, 2, 20, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    result = Elastic(10.0, sigma).displacement((noise,), (20, 28))
    expected = 10 * ndimage.gaussian_filter(noise.numpy(), (0, 0, sigma, sigma), mode="constant", truncate=8)
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_the_mean_displacement_is_as_documented() -> None:
    x = torch.zeros(50, 1, 64, 64)
    (noise,) = Elastic().sample(x, torch.Generator().manual_seed(0))
    field = Elastic(34.0, 4.0).displacement((noise,), (64, 64))
    assert float(field.square().sum(1).sqrt().mean()) == pytest.approx(34 / (5 * 4), rel=0.05)


def test_neighbours_move_together(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    (noise,) = Elastic().sample(torch.zeros(20, 1, 32, 32), torch.Generator().manual_seed(1))
    field = Elastic(34.0, 4.0).displacement((noise,), (32, 32))
    step, spread = field.diff(dim=-1).std(), field.std()
    assert float(step / spread) < 0.3
    assert not torch.allclose(augment(Elastic(), photos), photos)
