from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from PIL import ImageOps
from torch import Tensor

from goodfit.techniques import Posterize


@pytest.mark.parametrize("lost", [1, 4, 7])
def test_equals_pil(
    lost: int, photos: Tensor, apply_draw: Callable[..., Tensor], by_pil: Callable[..., Tensor]
) -> None:
    expected = by_pil(lambda image, row: ImageOps.posterize(image, 8 - lost), photos)
    result = apply_draw(Posterize(7.0), (photos * 255).round() / 255, torch.full((6,), lost / 7))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-9)
    assert torch.equal(apply_draw(Posterize(7.0), photos, torch.full((6,), 0.01)), photos)
