from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import ImageEnhance
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Contrast

FACTORS = torch.tensor([-0.9, -0.3, 0.0, 0.2, 0.6, 1.0])


def test_as_pil(photos: Tensor, recoloured: Callable[..., Tensor], by_pil: Callable[..., Tensor]) -> None:
    wanted = by_pil(lambda image, row: ImageEnhance.Contrast(image).enhance(1 + float(FACTORS[row])), photos)
    found = recoloured(Contrast(1.0), (photos * 255).round() / 255, FACTORS)
    torch.testing.assert_close(found, wanted, rtol=0, atol=2.01 / 255)  # PIL rounds the mean, too


def test_the_mean_stays(photos: Tensor) -> None:
    found = Contrast(0.5).transform(photos.mean(1, keepdim=True), (FACTORS.double(),), Inputs("image"))
    torch.testing.assert_close(found.mean((1, 2, 3)), photos.mean((1, 2, 3)))
