from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from PIL import ImageEnhance
from torch import Tensor

from goodfit.errors import InputError
from goodfit.techniques import Saturation

FACTORS = torch.tensor([-1.0, -0.3, 0.0, 0.2, 0.6, 1.0])


def test_as_pil(photos: Tensor, apply_draw: Callable[..., Tensor], by_pil: Callable[..., Tensor]) -> None:
    expected = by_pil(lambda image, row: ImageEnhance.Color(image).enhance(1 + float(FACTORS[row])), photos)
    result = apply_draw(Saturation(1.0), (photos * 255).round() / 255, FACTORS)
    torch.testing.assert_close(result, expected, rtol=0, atol=2.01 / 255)  # PIL also rounds the greys


def test_grey_images_are_refused(augment: Callable[..., Tensor]) -> None:
    with pytest.raises(
        InputError, match=r"Saturation: it acts on images with 3 channels \(RGB\), got 1 channels; leave it out"
    ):
        augment(Saturation(), torch.zeros(2, 1, 4, 4))
