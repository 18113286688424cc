from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import ImageOps
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Equalize


def test_equals_pil_on_large_images(by_pil: Callable[..., Tensor]) -> None:
    dark = torch.rand(2, 3, 600, 700, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 3
    expected = by_pil(lambda image, row: ImageOps.equalize(image), dark)
    torch.testing.assert_close(Equalize().transform(dark, (), Inputs("image")), expected, rtol=0, atol=1.5 / 255)


def test_four_shades_by_hand() -> None:
    image = torch.tensor([0.1, 0.1, 0.2, 0.3, 0.3, 0.3, 0.9, 0.9]).reshape(1, 1, 2, 4)
    expected = torch.tensor([0, 0, 2, 3, 3, 3, 6, 6]) / 6
    torch.testing.assert_close(Equalize().transform(image, (), Inputs("image")).flatten(), expected)
    one = torch.full((2, 1, 4, 4), 0.4, dtype=torch.float64)
    assert torch.equal(Equalize().transform(one, (), Inputs("image")), one)
