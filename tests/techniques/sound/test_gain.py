from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Gain


def test_decibels(tone: Callable[..., Tensor], decibels: Callable[..., float], heard: Inputs) -> None:
    x = 0.1 * tone(440, 440, 440)
    found = Gain(12.0).transform(x, (torch.tensor([-1.0, 0.5, 1.0]),), heard)
    assert [decibels(y, x[0]) for y in found] == pytest.approx([-12, 6, 12], abs=1e-4)


def test_it_keeps_to_the_range(augment: Callable[..., Tensor]) -> None:
    x = torch.tensor([0.05, -0.05, 0.5, -1.0]).repeat(500, 1, 1)
    found = augment(Gain(20.0), x, inputs=Inputs("sound", -1.0, 1.0))[:, 0]
    assert float(found.max()) == 1
    assert float(found.min()) == -1
    factor = found[:, 0] / 0.05
    assert 0.1 <= float(factor.min()) < 0.11
    assert 9 < float(factor.max()) <= 10
    torch.testing.assert_close(found, (factor[:, None] * x[:, 0]).clamp(-1, 1))


def test_neutral_keeps_bits(augment: Callable[..., Tensor]) -> None:
    x = torch.randn(20, 2, 50).clamp(-1, 1)
    assert torch.equal(augment(Gain(0.0), x, inputs=Inputs("sound", -1.0, 1.0)), x)
