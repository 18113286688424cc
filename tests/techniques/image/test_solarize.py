from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import ImageOps
from torch import Tensor

from goodfit.techniques import Solarize


def test_equals_pil(photos: Tensor, apply_draw: Callable[..., Tensor], by_pil: Callable[..., Tensor]) -> None:
    expected = by_pil(lambda image, row: ImageOps.solarize(image, 127), photos)  # from 127 on
    result = apply_draw(Solarize(1.0), (photos * 255).round() / 255, torch.full((6,), -(1 - 126.5 / 255)))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-9)
    assert torch.equal(apply_draw(Solarize(0.0), photos, torch.ones(6)), photos)
