from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import ImageEnhance
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Brightness, Contrast, Gamma

FACTORS = torch.tensor([-0.9, -0.3, 0.0, 0.2, 0.6, 1.0])


def test_equals_pil(photos: Tensor, apply_draw: Callable[..., Tensor], by_pil: Callable[..., Tensor]) -> None:
    expected = by_pil(lambda image, row: ImageEnhance.Brightness(image).enhance(1 + float(FACTORS[row])), photos)
    result = apply_draw(Brightness(1.0), (photos * 255).round() / 255, FACTORS)
    torch.testing.assert_close(result, expected, rtol=0, atol=1.01 / 255)


def test_independent_of_the_units_of_the_data(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    """Standardized images give the same result."""
    recipe: Any = [Brightness(0.5), Contrast(0.5), Gamma(0.5)]
    result = augment(recipe, (photos - 0.3) / 0.2, inputs=Inputs("image", -1.5, 3.5))
    torch.testing.assert_close(result * 0.2 + 0.3, augment(recipe, photos), rtol=0, atol=1e-12)


def test_values_are_clipped_and_unchanged_samples_keep_their_bits(augment: Callable[..., Tensor]) -> None:
    images = torch.rand(300, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 5 - 2
    result = augment(Brightness(2.0, p=0.5), images, inputs=Inputs("image", -2.0, 3.0))
    assert float(result.min()) >= -2.0
    assert float(result.max()) <= 3.0
    same = (result == images).flatten(1).all(1)
    assert 100 < int(same.sum()) < 200
    assert torch.equal(augment([Brightness(0.0), Gamma(0.0)], images, inputs=Inputs("image", -2.0, 3.0)), images)
