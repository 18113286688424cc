from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Speed

LEVELS = [-1.0, -0.4, 0.3, 1.0]


def test_pitch_and_length_change_together(tone: Callable[..., Tensor], sound_inputs: Inputs) -> None:
    x = tone(*[440] * 4, dtype=torch.float64)
    result = Speed(0.5).transform(x, (torch.tensor(LEVELS, dtype=torch.float64),), sound_inputs)
    for row, level in enumerate(LEVELS):
        rate = 1.5**level
        t = np.arange(8000)
        inside = (t > 50) & (t * rate < 7950)  # filtering rings at the ends of the sound
        expected = np.sin(2 * np.pi * 440 * rate * t / 8000)
        np.testing.assert_allclose(result[row, 0].numpy()[inside], expected[inside], rtol=0, atol=2e-3)
        assert not result[row, 0, t * rate > 8010].any()


def test_frequencies_that_are_too_high_are_removed(
    tone: Callable[..., Tensor], decibels: Callable[..., float], sound_inputs: Inputs
) -> None:
    x = tone(3500, 2000)
    result = Speed(0.5).transform(x, (torch.ones(2),), sound_inputs)[..., 100:5000]
    assert decibels(result[0], x[0]) < -35  # it would alias to 2750 Hz
    assert decibels(result[1], x[1]) == pytest.approx(0, abs=0.1)


def test_channels_short_sounds_and_silence(augment: Callable[..., Tensor], tone: Callable[..., Tensor]) -> None:
    inputs = Inputs("sound", -1.0, 1.0)
    stereo = augment(Speed(0.5), tone(300, 700, channels=2), inputs=inputs)
    assert torch.equal(stereo[:, 0], stereo[:, 1])
    for length in (1, 2, 16, 100):
        result = augment(Speed(0.5), torch.randn(6, 1, length).clamp(-1, 1), inputs=inputs)
        assert result.shape == (6, 1, length)
        assert bool(result.isfinite().all())
        assert float(result.abs().max()) <= 1
    silence = torch.zeros(3, 1, 500)
    assert torch.equal(augment(Speed(0.5), silence, inputs=inputs), silence)
    x = torch.randn(5, 1, 333).clamp(-1, 1)
    assert torch.equal(augment(Speed(0.0), x, inputs=inputs), x)


def test_positions_in_long_sounds_are_exact(sound_inputs: Inputs) -> None:
    """Ten minutes at 8,000 samples per second, where float positions would be rounded."""
    x = torch.zeros(1, 1, 4_800_000)
    x[..., 4_000_000::1000] = 1.0
    result = Speed(0.25).transform(x, (torch.ones(1),), sound_inputs)
    expected = torch.arange(3_200_000, 3_840_000, 800)
    assert float(result[0, 0, expected].min()) > 0.95 * float(result.max())
