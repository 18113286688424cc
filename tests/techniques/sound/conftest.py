"""Tones, and measures of sounds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs

RATE = 8000


@pytest.fixture
def sound_inputs() -> Inputs:
    """Inputs: sounds in [−2, 2] at 8,000 samples per second."""
    return Inputs("sound", -2.0, 2.0, RATE)


@pytest.fixture
def tone() -> Callable[..., Tensor]:
    """Sine waves of some frequencies (Hz): (row, channel, time)."""

    def make(*frequencies: float, length: int = 8000, channels: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
        t = np.arange(length) / RATE
        waves = np.sin(2 * np.pi * np.array(frequencies)[:, None] * t)
        return torch.from_numpy(waves).to(dtype)[:, None].repeat(1, channels, 1)

    return make


@pytest.fixture
def frequency() -> Callable[[Tensor], float]:
    """The loudest frequency (Hz) of a sound (time,), to a fraction of a Hz."""

    def find(x: Tensor) -> float:
        wave = x.double().numpy() * np.hanning(len(x))
        return float(np.abs(np.fft.rfft(wave, 32 * len(wave))).argmax() * RATE / (32 * len(wave)))

    return find


@pytest.fixture
def decibels() -> Callable[[Tensor, Tensor], float]:
    """How much louder the first sound is than the second (dB)."""

    def compare(a: Tensor, b: Tensor) -> float:
        return float(10 * (a.double().square().mean() / b.double().square().mean()).log10())

    return compare
