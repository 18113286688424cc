from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Blur


def test_equals_scipy_inside_the_image() -> None:
    rough = torch.rand(2, 1, 40, 44, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    result = Blur(2.0).transform(rough, (torch.tensor([1.0, 0.0], dtype=torch.float64),), Inputs("image"))
    for row, sigma in enumerate((2.0, 1.0)):
        expected = ndimage.gaussian_filter(rough[row, 0].numpy(), sigma, truncate=8)
        np.testing.assert_allclose(result[row, 0, 16:-16, 16:-16], expected[16:-16, 16:-16], atol=1e-7)


def test_constant_images_stay_constant_at_the_border(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    even = torch.full((3, 2, 6, 6), 0.7, dtype=torch.float64)
    torch.testing.assert_close(Blur(2.0).transform(even, (torch.ones(3, dtype=torch.float64),), Inputs("image")), even)
    assert torch.equal(augment(Blur(0.0), photos), photos)
    assert torch.equal(Blur(3.0).transform(photos, (-torch.ones(6, dtype=torch.float64),), Inputs("image")), photos)
