from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Gain


def test_decibels(tone: Callable[..., Tensor], decibels: Callable[..., float], sound_inputs: Inputs) -> None:
    x = 0.1 * tone(440, 440, 440)
    result = Gain(12.0).transform(x, (torch.tensor([-1.0, 0.5, 1.0]),), sound_inputs)
    assert [decibels(y, x[0]) for y in result] == pytest.approx([-12, 6, 12], abs=1e-4)


def test_values_are_clipped_to_the_range(augment: Callable[..., Tensor]) -> None:
    x = torch.tensor([0.05, -0.05, 0.5, -1.0]).repeat(500, 1, 1)
    result = augment(Gain(20.0), x, inputs=Inputs("sound", -1.0, 1.0))[:, 0]
    assert float(result.max()) == 1
    assert float(result.min()) == -1
    factor = result[:, 0] / 0.05
    assert 0.1 <= float(factor.min()) < 0.11
    assert 9 < float(factor.max()) <= 10
    torch.testing.assert_close(result, (factor[:, None] * x[:, 0]).clamp(-1, 1))


def test_neutral_keeps_bits(augment: Callable[..., Tensor]) -> None:
    x = torch.randn(20, 2, 50).clamp(-1, 1)
    assert torch.equal(augment(Gain(0.0), x, inputs=Inputs("sound", -1.0, 1.0)), x)
