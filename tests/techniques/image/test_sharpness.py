from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import ImageEnhance
from torch import Tensor

from goodfit.techniques import Sharpness

FACTORS = torch.tensor([-1.0, -0.3, 0.0, 0.2, 0.6, 1.0])


def test_equals_pil(photos: Tensor, apply_draw: Callable[..., Tensor], by_pil: Callable[..., Tensor]) -> None:
    rough = torch.rand(photos.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = by_pil(lambda image, row: ImageEnhance.Sharpness(image).enhance(1 + float(FACTORS[row])), rough)
    result = apply_draw(Sharpness(1.0), (rough * 255).round() / 255, FACTORS)
    torch.testing.assert_close(result, expected, rtol=0, atol=2.01 / 255)
