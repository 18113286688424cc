"""Sounds filtered by frequency and resampled, with one rate per sample."""

from __future__ import annotations

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional as F

FRACTION_BITS = 20
"""Positions are integers with this many fractional bits: floats are too coarse for positions in long sounds."""


def filter_frequencies(x: Tensor, gain: Tensor, upsample: int = 1) -> Tensor:
    """Multiply each frequency of a sound by its gain, optionally at `upsample` times the sampling rate.

    Shape: x (batch, channel, time); gain (batch, bin), for the bins of `relative_frequencies` →
    (batch, channel, time · upsample).
    """
    length = x.shape[-1]
    size = padded_length(length)
    spectrum = torch.fft.rfft(x, n=size) * gain[:, None]
    filtered: Tensor = torch.fft.irfft(spectrum, n=size * upsample)[..., : length * upsample] * upsample
    return filtered


def padded_length(length: int) -> int:
    """The FFT size for a sound: padded, so that filters do not wrap from its end to its beginning, and fast.

    >>> padded_length(8000)
    8640
    """
    return 2 * int(next_fast_len(-(-(length + max(64, length // 16)) // 2), real=True))


def relative_frequencies(length: int, like: Tensor) -> Tensor:
    """The frequencies of a sound's spectrum as shares of the highest one, half the sampling rate: (bin,)."""
    return torch.linspace(0.0, 1.0, padded_length(length) // 2 + 1, dtype=like.dtype, device=like.device)


def resample(x: Tensor, rate: Tensor, length: int) -> Tensor:
    """The values of sounds at the positions 0, rate, 2 · rate, …; silence beyond the end.

    Between values it evaluates the cubic through the four nearest ones. This is accurate where x has no frequency above
    half of the highest.

    Shape: x (batch, channel, time), rate (batch,) → (batch, channel, length).

    >>> resample(torch.tensor([[[0.0, 1.0, 4.0, 9.0, 16.0, 25.0]]]), torch.tensor([1.5]), 3)
    tensor([[[0.0000, 2.2500, 9.0000]]])
    """
    one = 1 << FRACTION_BITS
    position = (rate * 2.0**FRACTION_BITS).round().long()[:, None] * torch.arange(length, device=x.device)
    before = torch.div(position, one, rounding_mode="floor")  # (batch, length)
    s = ((position - before * one).to(x.dtype) / 2.0**FRACTION_BITS)[:, None]
    padded = F.pad(x, (4, 4))
    index = (before + 3).clamp(max=x.shape[-1] + 4)[:, None].expand(-1, x.shape[1], -1)
    a, b, c, d = (padded.gather(-1, index + i) for i in range(4))
    inner, outer = s * (s - 1), (s + 1) * (s - 2)
    return inner * (s + 1) / 6 * d - inner * (s - 2) / 6 * a + outer * (s - 1) / 2 * b - outer * s / 2 * c
