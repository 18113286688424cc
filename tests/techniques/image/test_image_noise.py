from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import ImageNoise


def test_stddev_is_in_units_of_the_value_range(augment: Callable[..., Tensor]) -> None:
    middle = torch.full((20, 1, 32, 32), 2.0, dtype=torch.float64)
    grain = augment(ImageNoise(0.05), middle, inputs=Inputs("image", -3.0, 7.0)) - middle
    assert float(grain.std()) == pytest.approx(0.5, rel=0.03)
    assert float(grain.mean()) == pytest.approx(0, abs=4 * 0.5 / 20480**0.5)
    flat = grain.flatten(1)
    assert abs(float(torch.corrcoef(flat)[0, 1])) < 4 / 1024**0.5
