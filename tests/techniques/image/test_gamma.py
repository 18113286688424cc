from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Gamma


def test_powers_and_fixed_black_and_white(photos: Tensor) -> None:
    draw = torch.tensor([1.0, -1.0, 0.0, 0.5, -0.5, 0.25], dtype=torch.float64)
    result = Gamma(1.0).transform(photos, (draw,), Inputs("image"))
    torch.testing.assert_close(result[0], photos[0] ** 2)
    torch.testing.assert_close(result[1], photos[1] ** 0.5)
    assert torch.equal(result[2], photos[2])
    ends = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert torch.equal(Gamma(1.0).transform(ends, (torch.tensor([0.7]),), Inputs("image")), ends)
