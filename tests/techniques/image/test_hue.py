from __future__ import annotations

import colorsys
from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Hue


def test_equals_colorsys(photos: Tensor) -> None:
    turns = torch.tensor([-0.5, -0.3, 0.0, 0.1, 0.25, 0.49], dtype=torch.float64)
    result = Hue(0.5).transform(photos, (2 * turns,), Inputs("image"))
    for row, turn in enumerate(turns.tolist()):
        for i, j in ((0, 0), (5, 7), (11, 15), (3, 2)):
            h, s, v = colorsys.rgb_to_hsv(*photos[row, :, i, j].tolist())
            expected = torch.tensor(colorsys.hsv_to_rgb((h + turn) % 1, s, v), dtype=torch.float64)
            torch.testing.assert_close(result[row, :, i, j], expected, rtol=0, atol=1e-9)


def test_greys_and_neutral_strength_do_not_change(augment: Callable[..., Tensor], photos: Tensor) -> None:
    greys = photos[:, :1].repeat(1, 3, 1, 1)
    torch.testing.assert_close(Hue(0.5).transform(greys, (torch.full((6,), 0.7),), Inputs("image")), greys)
    assert torch.equal(augment(Hue(0.0), photos), photos)
