from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import ImageOps
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import AutoContrast


def test_as_pil(photos: Tensor, by_pil: Callable[..., Tensor]) -> None:
    wanted = by_pil(lambda image, row: ImageOps.autocontrast(image), photos)
    found = AutoContrast().transform((photos * 255).round() / 255, (), Inputs("image"))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1.01 / 255)


def test_a_channel_of_one_value_stays(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    flat = photos.clone()
    flat[:, 1] = 0.3
    found = AutoContrast().transform(flat, (), Inputs("image"))
    assert torch.equal(found[:, 1], flat[:, 1])
    assert float(found[:, 0].amin()) == 0
    assert float(found[:, 0].amax()) == 1
