from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import SpecAugment

NONE = torch.zeros(1, 1, 2)


def hertz(mel: float) -> float:
    """The frequency at this share of the mel scale up to 4000 Hz."""
    return float(700 * (np.exp(mel * np.log(1 + 4000 / 700)) - 1))


def test_a_frequency_band_is_silenced(
    tone: Callable[..., Tensor], decibels: Callable[..., float], sound_inputs: Inputs
) -> None:
    mels = [0.1, 0.3, 0.45, 0.55, 0.65, 0.75, 0.95]
    x = tone(*map(hertz, mels))
    draw = torch.tensor([[[0.75, 0.5]]]).repeat(7, 1, 1), NONE.repeat(7, 1, 1)  # from 0.35 to 0.65
    result = SpecAugment(time=0.0, frequency=0.4, masks=1).transform(x, draw, sound_inputs)
    inside = slice(500, 7500)
    left = [decibels(result[row, :, inside], x[row, :, inside]) for row in range(7)]
    assert left[:2] + left[5:] == pytest.approx([0] * 4, abs=0.05)
    assert max(left[2:4]) < -40


def test_a_time_interval_is_silenced(sound_inputs: Inputs) -> None:
    x = torch.rand(1, 2, 1000) + 0.5
    draw = NONE, torch.tensor([[[0.5, 0.25]]])  # 200 long, from a quarter of 800
    result = SpecAugment(time=0.4, frequency=0.0, masks=1).transform(x, draw, sound_inputs)
    assert torch.equal(result[..., :200], x[..., :200])
    assert torch.equal(result[..., 400:], x[..., 400:])
    assert float(result[..., 210:390].abs().max()) == 0
    assert bool((result[..., 200:210].abs() < x[..., 200:210]).all())


def test_number_and_width_of_masks(augment: Callable[..., Tensor]) -> None:
    x = torch.ones(2000, 1, 200)
    inputs = Inputs("sound", -1.0, 1.0)
    silent = (augment(SpecAugment(0.3, 0.0, masks=1), x, inputs=inputs) == 0).float().mean((1, 2))
    assert 0.27 < float(silent.max()) <= 0.3
    assert float(silent.mean()) == pytest.approx(0.15 - 0.02, abs=0.01)  # the edges are soft
    more = (augment(SpecAugment(0.3, 0.0, masks=4), x, inputs=inputs) == 0).float().mean((1, 2))
    assert float(more.mean()) > 2.5 * float(silent.mean())


def test_neutral_short_and_silent(augment: Callable[..., Tensor]) -> None:
    inputs = Inputs("sound", -1.0, 1.0)
    x = torch.randn(9, 2, 77).clamp(-1, 1)
    assert torch.equal(augment(SpecAugment(0.0, 0.0), x, inputs=inputs), x)
    for length in (1, 2, 16):
        result = augment(SpecAugment(), torch.randn(9, 2, length).clamp(-1, 1), inputs=inputs)
        assert result.shape == (9, 2, length)
        assert bool(result.isfinite().all())
    silence = torch.zeros(6, 1, 200)
    assert torch.equal(augment(SpecAugment(1.0, 1.0), silence, inputs=inputs), silence)
