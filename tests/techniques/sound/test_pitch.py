from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Pitch

LEVELS = torch.tensor([-1.0, -0.3, 0.25, 1.0])


@pytest.mark.parametrize("hertz", [220.0, 440.0, 1234.5])
@pytest.mark.parametrize("semitones", [2.0, 7.0, 12.0])
def test_frequency_and_loudness(
    hertz: float,
    semitones: float,
    tone: Callable[..., Tensor],
    frequency: Callable[[Tensor], float],
    decibels: Callable[..., float],
    sound_inputs: Inputs,
) -> None:
    x = tone(*[hertz] * 4)
    result = Pitch(semitones).transform(x, (LEVELS,), sound_inputs)[:, 0, 600:7400]
    for y, level in zip(result, LEVELS.tolist(), strict=True):
        assert frequency(y) == pytest.approx(hertz * 2 ** (semitones * level / 12), rel=2e-3)
        assert decibels(y, x[0]) == pytest.approx(0, abs=0.15)


def test_a_chord_keeps_its_tones(
    tone: Callable[..., Tensor], frequency: Callable[[Tensor], float], sound_inputs: Inputs
) -> None:
    x = 0.5 * tone(300, 300) + 0.4 * tone(900, 900)
    up, down = Pitch(5.0).transform(x, (torch.tensor([1.0, -1.0]),), sound_inputs)[:, 0, 600:7400]
    for y, factor in ((up, 2 ** (5 / 12)), (down, 2 ** (-5 / 12))):
        sizes = torch.fft.rfft(y.double() * torch.hann_window(len(y), dtype=torch.float64)).abs()
        hertz = torch.arange(len(sizes)) * 8000 / len(y)
        for part, size in ((300, 0.5), (900, 0.4)):
            near = sizes[(hertz - part * factor).abs() < 12]
            assert float(near.max()) / (len(y) / 4) == pytest.approx(size, rel=0.2)
        rest = ((hertz - 300 * factor).abs() > 60) & ((hertz - 900 * factor).abs() > 60)
        assert float(sizes[rest].max()) < 0.02 * float(sizes.max())


def test_length_does_not_change(sound_inputs: Inputs) -> None:
    t = torch.arange(8000.0)
    x = ((-(((t - 4000) / 300) ** 2)).exp() * torch.sin(0.5 * t)).repeat(4, 1, 1)
    for y in Pitch(6.0).transform(x, (LEVELS,), sound_inputs)[:, 0]:
        power = y.square()
        middle = (t * power).sum() / power.sum()
        assert float(middle) == pytest.approx(4000, abs=20)
        spread = ((t - middle).square() * power).sum() / power.sum()
        assert float(spread.sqrt()) == pytest.approx(150, rel=0.15)


def test_frequencies_that_are_too_high_are_removed(
    tone: Callable[..., Tensor], decibels: Callable[..., float], sound_inputs: Inputs
) -> None:
    x = tone(3000)
    assert decibels(Pitch(12.0).transform(x, (torch.ones(1),), sound_inputs)[..., 600:7400], x) < -35


def test_channels_short_sounds_and_silence(augment: Callable[..., Tensor], tone: Callable[..., Tensor]) -> None:
    inputs = Inputs("sound", -1.0, 1.0)
    stereo = augment(Pitch(5.0), tone(300, 700, channels=2), inputs=inputs)
    assert torch.equal(stereo[:, 0], stereo[:, 1])
    for length in (1, 2, 16, 300):
        result = augment(Pitch(5.0), torch.randn(6, 1, length).clamp(-1, 1), inputs=inputs)
        assert result.shape == (6, 1, length)
        assert bool(result.isfinite().all())
        assert float(result.abs().max()) <= 1
    silence = torch.zeros(3, 1, 500)
    assert torch.equal(augment(Pitch(5.0), silence, inputs=inputs), silence)
    x = torch.randn(5, 1, 333).clamp(-1, 1)
    assert torch.equal(augment(Pitch(0.0), x, inputs=inputs), x)
