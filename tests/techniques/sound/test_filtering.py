from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Filtering

HERTZ = (50.0, 200.0, 600.0, 1000.0, 1700.0, 3000.0, 3900.0)
PASSED = {
    "low_pass": (1, 1, 1, 0.5, 0, 0, 0),
    "high_pass": (0, 0, 0, 0.5, 1, 1, 1),
    "band_stop": (1, 1, 1, 0, 1, 1, 1),
}
"""Gains with a cut-off at 1000 Hz, a quarter of half the rate."""


@pytest.mark.parametrize("form", PASSED)
def test_pass_and_stop_bands(
    form: str, tone: Callable[..., Tensor], decibels: Callable[..., float], sound_inputs: Inputs
) -> None:
    x = tone(*HERTZ)
    draw: Any = torch.zeros(len(HERTZ)), torch.full((len(HERTZ),), 0.5)
    result = Filtering(1.0, form=form, low=0.125, high=0.5).transform(x, draw, sound_inputs)
    for row, gain in enumerate(PASSED[form]):
        inside = slice(1000, 7000)
        measured = decibels(result[row, :, inside], x[row, :, inside])
        if gain:
            assert measured == pytest.approx(20 * torch.tensor(gain).log10().item(), abs=0.1)
        else:
            assert measured < -40


def test_any_draws_each_of_the_three(sound_inputs: Inputs) -> None:
    x = torch.randn(3, 1, 500).clamp(-1, 1)
    place = torch.full((3,), 0.3)
    result = Filtering(1.0).transform(x, (torch.tensor([0.1, 0.5, 0.9]), place), sound_inputs)
    for row, form in enumerate(("low_pass", "high_pass", "band_stop")):
        alone = Filtering(1.0, form=form).transform(x, (torch.zeros(3), place), sound_inputs)
        torch.testing.assert_close(result[row], alone[row])
    drawn = Filtering(1.0).sample(torch.zeros(3000, 1, 4), torch.Generator().manual_seed(0))[0]
    assert [int(((drawn * 3).floor() == k).sum()) > 900 for k in range(3)] == [True] * 3


def test_cut_offs_are_uniform_in_octaves(sound_inputs: Inputs) -> None:
    """The share of white noise that passes a low-pass is the cut-off."""
    noise = torch.randn(400, 1, 4000, generator=torch.Generator().manual_seed(0)).clamp(-1.9, 1.9)
    technique = Filtering(1.0, form="low_pass", low=0.1, high=0.4)
    result = technique.transform(noise, technique.sample(noise, torch.Generator().manual_seed(1)), sound_inputs)
    left = (result.square().mean(-1) / noise.square().mean(-1)).flatten()
    assert float(left.log2().mean()) == pytest.approx(torch.tensor(0.2).log2().item(), abs=0.1)
    assert 0.08 < float(left.min()) < 0.12
    assert 0.35 < float(left.max()) < 0.45


def test_short_sounds_silence_and_no_filter(augment: Callable[..., Tensor], tone: Callable[..., Tensor]) -> None:
    inputs = Inputs("sound", -1.0, 1.0)
    for length in (1, 2, 16):
        result = augment(Filtering(1.0), torch.randn(9, 2, length).clamp(-1, 1), inputs=inputs)
        assert result.shape == (9, 2, length)
        assert bool(result.isfinite().all())
        assert float(result.abs().max()) <= 1
    silence = torch.zeros(6, 1, 200)
    assert torch.equal(augment(Filtering(1.0), silence, inputs=inputs), silence)
    x = torch.randn(6, 1, 200).clamp(-1, 1)
    assert torch.equal(augment(Filtering(0.0), x, inputs=inputs), x)
    stereo = augment(Filtering(1.0), tone(300, 700, channels=2), inputs=inputs)
    assert torch.equal(stereo[:, 0], stereo[:, 1])
