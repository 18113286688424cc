"""Short-time Fourier transform of sounds, its inverse, and a phase vocoder with one rate per sample.

All shapes follow from the input shapes alone, so that everything here can be mapped over the members of a population.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

OVERLAP = 4
"""How many windows cover each value."""
TONE_BINS = 5
"""Over how many neighbouring bins a Hann window spreads a tone."""


def hop_length(window: int) -> int:
    """Values from the start of one window to the start of the next.

    >>> hop_length(512), hop_length(2)
    (128, 1)
    """
    return max(1, window // OVERLAP)


def frame_count(length: int, window: int) -> int:
    """The number of windows that cover a sound: the first ends at its start, the last starts at its end or later.

    >>> frame_count(8, 8)
    9
    """
    return -(-length // hop_length(window)) + OVERLAP + 1


def stft(x: Tensor, window: int) -> Tensor:
    """The spectra of Hann windows. Frame k is centred at (k − 2) hops.

    Shape: x (batch, channel, time) → (batch, frame, channel, bin), complex.
    """
    step = hop_length(window)
    size = step * OVERLAP
    count = frame_count(x.shape[-1], window)
    padded = F.pad(x, (size, (count - 1) * step - x.shape[-1]))
    windows = padded.unfold(-1, size, step).transpose(1, 2)  # (batch, frame, channel, size)
    spectra: Tensor = torch.fft.rfft(windows * _hann(size, x))
    return spectra


def istft(spectra: Tensor, window: int, length: int, upsample: int = 1) -> Tensor:
    """The inverse of `stft`, optionally at `upsample` times the sampling rate.

    Shape: spectra (batch, frame, channel, bin), complex → (batch, channel, length · upsample).

    >>> x = torch.arange(10.0).reshape(1, 1, 10)
    >>> istft(stft(x, 8), 8, 10).round(decimals=3).flatten().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    """
    step = hop_length(window) * upsample
    size = step * OVERLAP
    windows = torch.fft.irfft(spectra, n=size) * upsample
    windows = windows * (_hann(size, windows) / 1.5)  # the squares of four overlapping windows sum to 1.5 everywhere
    parts = windows.transpose(1, 2).unflatten(-1, (OVERLAP, step)).unbind(-2)  # each (batch, channel, frame, step)
    summed = sum(F.pad(part, (0, 0, i, OVERLAP - 1 - i)) for i, part in enumerate(parts))
    assert isinstance(summed, Tensor)
    return summed.flatten(2)[..., size : size + length * upsample]


def phase_vocoder(spectra: Tensor, rate: Tensor, count: int) -> Tensor:
    """Play sounds `rate` times as fast at the same pitch; the result has `count` frames.

    Magnitudes are interpolated between the two nearest frames. Phases advance as fast as between these frames. A tone
    fills several bins, and the direction of a sound is the phase difference of its channels. Both must survive, so
    phases turn by a common angle within `TONE_BINS` neighbouring bins and in all channels: that of the strongest.

    Shape: spectra (batch, frame, channel, bin), complex; rate (batch,) → (batch, count, channel, bin), complex.
    """
    last = spectra.shape[1] - 2
    middle = OVERLAP // 2  # the frame that is centred at the beginning of the sound
    at = torch.arange(count, dtype=rate.dtype, device=rate.device) - middle
    at = (at * rate[:, None] + middle).clamp(0, last + 1)  # (batch, count); the first and the last frame are silent
    before = at.floor().clamp(max=last)
    share = (at - before)[..., None, None]
    rows, before = torch.arange(len(spectra), device=rate.device)[:, None], before.long()
    real, imaginary = torch.view_as_real(spectra).unbind(-1)  # compilers do not support complex numbers
    magnitude, phase = torch.hypot(real, imaginary), torch.atan2(imaginary, real)
    advance, own = phase.diff(dim=1)[rows, before], phase[rows, before]
    magnitudes = torch.lerp(magnitude[rows, before], magnitude[rows, before + 1], share)
    turn = own[:, :1] + advance.cumsum(1) - advance - own
    power = magnitudes.square()
    sine, cosine = (_tone_mean(power * part).mean(-2, keepdim=True) for part in (turn.sin(), turn.cos()))
    angle = own + torch.atan2(sine, cosine)
    return torch.complex(magnitudes * angle.cos(), magnitudes * angle.sin())


def _tone_mean(x: Tensor) -> Tensor:
    """Means over neighbouring bins (…, bin)."""
    means: Tensor = F.avg_pool1d(x.flatten(0, 1), TONE_BINS, 1, TONE_BINS // 2).unflatten(0, x.shape[:2])
    return means


def _hann(size: int, like: Tensor) -> Tensor:
    return torch.hann_window(size, dtype=like.dtype, device=like.device)
