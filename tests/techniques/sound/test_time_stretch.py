from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import TimeStretch

LEVELS = torch.tensor([-1.0, -0.4, 0.3, 1.0])


@pytest.mark.parametrize("hertz", [150.0, 440.0, 1234.5, 3000.0])
def test_pitch_and_loudness_do_not_change(
    hertz: float,
    tone: Callable[..., Tensor],
    frequency: Callable[[Tensor], float],
    decibels: Callable[..., float],
    sound_inputs: Inputs,
) -> None:
    x = tone(*[hertz] * 4)
    result = TimeStretch(0.6).transform(x, (LEVELS,), sound_inputs)[:, 0, 600:4400]
    for y in result:
        assert frequency(y) == pytest.approx(hertz, rel=1e-3)
        assert decibels(y, x[0]) == pytest.approx(0, abs=0.1)


def test_tempo_changes(sound_inputs: Inputs) -> None:
    """Bursts of a tone, and the centres of the bursts afterwards."""
    t = torch.arange(16000.0)
    middles = torch.tensor([3000.0, 6000.0, 9000.0])
    loudness = (-(((t - middles[:, None]) / 300) ** 2)).exp().sum(0)
    x = (loudness * torch.sin(t)).repeat(4, 1, 1)
    result = TimeStretch(0.6).transform(x, (LEVELS,), sound_inputs)[:, 0]
    for y, level in zip(result, LEVELS.tolist(), strict=True):
        rate = 1.6**level
        for middle in middles.tolist():
            near = ((t - middle / rate).abs() < 1200 / rate) * y.square()
            if middle / rate < 14000:
                assert float((t * near).sum() / near.sum()) == pytest.approx(middle / rate, abs=25)
                assert float(near.sum()) > 20


def test_short_sounds_are_padded_and_long_ones_cut_off(tone: Callable[..., Tensor], sound_inputs: Inputs) -> None:
    fast, slow = TimeStretch(1.0).transform(tone(500, 500), (torch.tensor([1.0, -1.0]),), sound_inputs)[:, 0]
    assert float(fast[:3700].square().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(fast[4300:].abs().max()) < 1e-3
    assert float(slow[7000:].square().mean()) == pytest.approx(0.5, abs=0.03)


def test_channels_short_sounds_and_silence(augment: Callable[..., Tensor], tone: Callable[..., Tensor]) -> None:
    inputs = Inputs("sound", -1.0, 1.0)
    stereo = augment(TimeStretch(0.5), tone(300, 700, channels=2), inputs=inputs)
    assert torch.equal(stereo[:, 0], stereo[:, 1])
    for length in (1, 2, 16, 300):
        result = augment(TimeStretch(0.5), torch.randn(6, 1, length).clamp(-1, 1), inputs=inputs)
        assert result.shape == (6, 1, length)
        assert bool(result.isfinite().all())
        assert float(result.abs().max()) <= 1
    silence = torch.zeros(3, 1, 500)
    assert torch.equal(augment(TimeStretch(0.5), silence, inputs=inputs), silence)
    x = torch.randn(5, 1, 333).clamp(-1, 1)
    assert torch.equal(augment(TimeStretch(0.0), x, inputs=inputs), x)


def test_dtypes(augment: Callable[..., Tensor]) -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        x = torch.randn(3, 1, 300).clamp(-1, 1).to(dtype)
        assert augment(TimeStretch(0.5), x, inputs=Inputs("sound", -1.0, 1.0)).dtype == dtype
