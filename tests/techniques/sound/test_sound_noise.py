from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import SoundNoise

WIDE = Inputs("sound", -1e3, 1e3)


def test_signal_to_noise_ratio(
    tone: Callable[..., Tensor], decibels: Callable[..., float], augment: Callable[..., Tensor]
) -> None:
    x = torch.cat([tone(440, channels=2), 7 * tone(100, channels=2), 0.01 * tone(900, channels=2)])
    for ratio in (-10.0, 5.0, 30.0):
        result = augment(SoundNoise(1.0, low=ratio, high=ratio), x, inputs=WIDE)
        for row in range(3):
            assert decibels(x[row], result[row] - x[row]) == pytest.approx(ratio, abs=0.3)


def test_ratios_are_uniform_between_the_bounds(
    tone: Callable[..., Tensor], decibels: Callable[..., float], augment: Callable[..., Tensor]
) -> None:
    x = tone(440).repeat(300, 1, 1)
    result = augment(SoundNoise(1.0, low=10.0, high=30.0), x, inputs=WIDE)
    ratios = torch.tensor([decibels(x[0], y - x[0]) for y in result])
    assert 9.5 < float(ratios.min()) < 11
    assert 29 < float(ratios.max()) < 30.5
    assert float(ratios.mean()) == pytest.approx(20, abs=1)
    assert 100 < int((ratios < 17).sum() + (ratios > 23).sum()) < 280


def test_the_noise_is_white(tone: Callable[..., Tensor], augment: Callable[..., Tensor]) -> None:
    x = tone(440).repeat(50, 1, 1)
    noise = augment(SoundNoise(1.0, low=0.0, high=0.0), x, inputs=WIDE) - x
    power = torch.fft.rfft(noise.double()).abs().square().mean((0, 1))[1:-1].reshape(31, -1).mean(1)
    torch.testing.assert_close(power / power.mean(), torch.ones_like(power), atol=0.07, rtol=0)


def test_silence_stays_silent_and_p_is_the_strength(augment: Callable[..., Tensor]) -> None:
    silence = torch.zeros(4, 1, 100)
    assert torch.equal(augment(SoundNoise(1.0), silence, inputs=WIDE), silence)
    x = torch.randn(400, 1, 20)
    changed = (augment(SoundNoise(0.3), x, inputs=WIDE) != x).flatten(1).any(1)
    assert 80 < int(changed.sum()) < 160
    assert torch.equal(augment(SoundNoise(0.0), x, inputs=WIDE), x)
