from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import ImageEnhance
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Contrast

FACTORS = torch.tensor([-0.9, -0.3, 0.0, 0.2, 0.6, 1.0])


def test_equals_pil(photos: Tensor, apply_draw: Callable[..., Tensor], by_pil: Callable[..., Tensor]) -> None:
    expected = by_pil(lambda image, row: ImageEnhance.Contrast(image).enhance(1 + float(FACTORS[row])), photos)
    result = apply_draw(Contrast(1.0), (photos * 255).round() / 255, FACTORS)
    torch.testing.assert_close(result, expected, rtol=0, atol=2.01 / 255)  # PIL also rounds the mean


def test_the_mean_does_not_change(photos: Tensor) -> None:
    result = Contrast(0.5).transform(photos.mean(1, keepdim=True), (FACTORS.double(),), Inputs("image"))
    torch.testing.assert_close(result.mean((1, 2, 3)), photos.mean((1, 2, 3)))
