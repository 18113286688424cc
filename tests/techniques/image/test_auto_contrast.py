from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import ImageOps
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import AutoContrast


def test_equals_pil(photos: Tensor, by_pil: Callable[..., Tensor]) -> None:
    expected = by_pil(lambda image, row: ImageOps.autocontrast(image), photos)
    result = AutoContrast().transform((photos * 255).round() / 255, (), Inputs("image"))
    torch.testing.assert_close(result, expected, rtol=0, atol=1.01 / 255)


def test_a_constant_channel_does_not_change(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    flat = photos.clone()
    flat[:, 1] = 0.3
    result = AutoContrast().transform(flat, (), Inputs("image"))
    assert torch.equal(result[:, 1], flat[:, 1])
    assert float(result[:, 0].amin()) == 0
    assert float(result[:, 0].amax()) == 1
