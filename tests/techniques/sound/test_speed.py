from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Speed

LEVELS = [-1.0, -0.4, 0.3, 1.0]


def test_pitch_and_length_change_together(tone: Callable[..., Tensor], heard: Inputs) -> None:
    x = tone(*[440] * 4, dtype=torch.float64)
    found = Speed(0.5).transform(x, (torch.tensor(LEVELS, dtype=torch.float64),), heard)
    for row, level in enumerate(LEVELS):
        rate = 1.5**level
        t = np.arange(8000)
        inside = (t > 50) & (t * rate < 7950)  # a sound that is cut off hard rings at its ends
        wanted = np.sin(2 * np.pi * 440 * rate * t / 8000)
        np.testing.assert_allclose(found[row, 0].numpy()[inside], wanted[inside], rtol=0, atol=2e-3)
        assert not found[row, 0, t * rate > 8010].any()


def test_what_gets_too_high_is_taken_away(
    tone: Callable[..., Tensor], decibels: Callable[..., float], heard: Inputs
) -> None:
    x = tone(3500, 2000)
    found = Speed(0.5).transform(x, (torch.ones(2),), heard)[..., 100:5000]
    assert decibels(found[0], x[0]) < -35  # it would be heard at 2750 Hz
    assert decibels(found[1], x[1]) == pytest.approx(0, abs=0.1)


def test_channels_alike_short_sounds_and_silence(augment: Callable[..., Tensor], tone: Callable[..., Tensor]) -> None:
    inputs = Inputs("sound", -1.0, 1.0)
    stereo = augment(Speed(0.5), tone(300, 700, channels=2), inputs=inputs)
    assert torch.equal(stereo[:, 0], stereo[:, 1])
    for length in (1, 2, 16, 100):
        found = augment(Speed(0.5), torch.randn(6, 1, length).clamp(-1, 1), inputs=inputs)
        assert found.shape == (6, 1, length)
        assert bool(found.isfinite().all())
        assert float(found.abs().max()) <= 1
    silence = torch.zeros(3, 1, 500)
    assert torch.equal(augment(Speed(0.5), silence, inputs=inputs), silence)
    x = torch.randn(5, 1, 333).clamp(-1, 1)
    assert torch.equal(augment(Speed(0.0), x, inputs=inputs), x)


def test_long_sounds_keep_their_place(heard: Inputs) -> None:
    """Positions are counted, not rounded as floats would be: ten minutes at 8,000 samples per second."""
    x = torch.zeros(1, 1, 4_800_000)
    x[..., 4_000_000::1000] = 1.0
    found = Speed(0.25).transform(x, (torch.ones(1),), heard)
    wanted = torch.arange(3_200_000, 3_840_000, 800)
    assert float(found[0, 0, wanted].min()) > 0.95 * float(found.max())
