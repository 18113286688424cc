"""Sound as short spectra and back, and sound taken from elsewhere in time, each sample at a rate of its own.

Everything has shapes that follow from shapes alone, so that it can be mapped over the members of a population.
"""

from __future__ import annotations

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional as F

OVERLAP = 4
"""How many windows cover each value."""
LOCKED = 5
"""Bins that a tone is in under a Hann window."""
FINE = 20
"""Bits behind the point of a rate by which positions are counted: floats would not hold those in long sounds."""


def hop(window: int) -> int:
    """Values from one window to the next.

    >>> hop(512), hop(2)
    (128, 1)
    """
    return max(1, window // OVERLAP)


def frames(length: int, window: int) -> int:
    """How many windows cover a sound of that length: the first ends before it, and the last begins behind it.

    >>> frames(8, 8)
    9
    """
    return -(-length // hop(window)) + OVERLAP + 1


def spectra(x: Tensor, window: int) -> Tensor:
    """The spectra of Hann windows: x (batch, channel, time) → (batch, frame, channel, bin), complex.

    Frame k has its middle at (k − 2) hops.
    """
    step = hop(window)
    size = step * OVERLAP
    count = frames(x.shape[-1], window)
    padded = F.pad(x, (size, (count - 1) * step - x.shape[-1]))
    cut = padded.unfold(-1, size, step).transpose(1, 2)  # (batch, frame, channel, size)
    found: Tensor = torch.fft.rfft(cut * _hann(size, x))
    return found


def sound(found: Tensor, window: int, length: int, times: int = 1) -> Tensor:
    """The inverse of `spectra`, with `times` values for each: (batch, channel, length · times).

    >>> x = torch.arange(10.0).reshape(1, 1, 10)
    >>> sound(spectra(x, 8), 8, 10).round(decimals=3).flatten().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    """
    step = hop(window) * times
    size = step * OVERLAP
    shapes = torch.fft.irfft(found, n=size) * times
    shapes = shapes * (_hann(size, shapes) / 1.5)  # the squares of four windows are 1.5 everywhere
    parts = shapes.transpose(1, 2).unflatten(-1, (OVERLAP, step)).unbind(-2)  # each (batch, channel, frame, step)
    laid = sum(F.pad(part, (0, 0, i, OVERLAP - 1 - i)) for i, part in enumerate(parts))
    assert isinstance(laid, Tensor)
    return laid.flatten(2)[..., size : size + length * times]


def stretched(found: Tensor, rate: Tensor, count: int) -> Tensor:
    """A phase vocoder: `count` frames of a sound that runs `rate` (batch,) times as fast at the same pitch.

    Sizes are blended between the two nearest frames. Phases go on as fast as they do between these, and are turned
    alike within `LOCKED` bins and in all channels, by what turns the strongest: a tone is in several bins, which must
    not fall apart, and where a sound comes from is in what its channels' phases differ by.
    """
    last = found.shape[1] - 2
    middle = OVERLAP // 2  # the frame that has its middle where the sound begins
    at = torch.arange(count, dtype=rate.dtype, device=rate.device) - middle
    at = (at * rate[:, None] + middle).clamp(0, last + 1)  # (batch, count); the first and the last frame are silent
    before = at.floor().clamp(max=last)
    share = (at - before)[..., None, None]
    rows, before = torch.arange(len(found), device=rate.device)[:, None], before.long()
    real, imaginary = torch.view_as_real(found).unbind(-1)  # compilers know no complex numbers
    size, phase = torch.hypot(real, imaginary), torch.atan2(imaginary, real)
    turns, own = phase.diff(dim=1)[rows, before], phase[rows, before]
    sizes = torch.lerp(size[rows, before], size[rows, before + 1], share)
    turned = own[:, :1] + turns.cumsum(1) - turns - own
    power = sizes.square()
    across, along = (_locked(power * part).mean(-2, keepdim=True) for part in (turned.sin(), turned.cos()))
    angle = own + torch.atan2(across, along)
    return torch.complex(sizes * angle.cos(), sizes * angle.sin())


def _locked(x: Tensor) -> Tensor:
    """Means over neighbouring bins (…, bin)."""
    means: Tensor = F.avg_pool1d(x.flatten(0, 1), LOCKED, 1, LOCKED // 2).unflatten(0, x.shape[:2])
    return means


def smoothed(x: Tensor, gain: Tensor, times: int = 1) -> Tensor:
    """x (batch, channel, time) with each frequency multiplied by its gain (batch, bin), and `times` values for each.

    Shape: the bins are those of `bins`.
    """
    length = x.shape[-1]
    size = padded(length)
    left = torch.fft.rfft(x, n=size) * gain[:, None]
    found: Tensor = torch.fft.irfft(left, n=size * times)[..., : length * times] * times
    return found


def padded(length: int) -> int:
    """A length with room behind the sound, so that its end does not ring at its beginning; quick to transform.

    >>> padded(8000)
    8640
    """
    return 2 * int(next_fast_len(-(-(length + max(64, length // 16)) // 2), real=True))


def bins(length: int, like: Tensor) -> Tensor:
    """The frequencies of a sound's spectrum as shares of the highest, half its rate: (bin,)."""
    return torch.linspace(0.0, 1.0, padded(length) // 2 + 1, dtype=like.dtype, device=like.device)


def taken(x: Tensor, rate: Tensor, length: int) -> Tensor:
    """The values of x (batch, channel, time) at 0, rate, 2 · rate, …: (batch, channel, length), silence behind the end.

    Between values it follows the cubic through the four nearest, which is good where x holds no frequency above half
    of the highest.

    >>> taken(torch.tensor([[[0.0, 1.0, 4.0, 9.0, 16.0, 25.0]]]), torch.tensor([1.5]), 3)
    tensor([[[0.0000, 2.2500, 9.0000]]])
    """
    whole = (rate * 2.0**FINE).round().long()[:, None] * torch.arange(length, device=x.device)  # (batch, length)
    before = torch.div(whole, 1 << FINE, rounding_mode="floor")
    s = ((whole - before * (1 << FINE)).to(x.dtype) / 2.0**FINE)[:, None]
    padded = F.pad(x, (4, 4))
    index = (before + 3).clamp(max=x.shape[-1] + 4)[:, None].expand(-1, x.shape[1], -1)
    a, b, c, d = (padded.gather(-1, index + i) for i in range(4))
    one, two = s * (s - 1), (s + 1) * (s - 2)
    return one * (s + 1) / 6 * d - one * (s - 2) / 6 * a + two * (s - 1) / 2 * b - two * s / 2 * c


def _hann(size: int, like: Tensor) -> Tensor:
    return torch.hann_window(size, dtype=like.dtype, device=like.device)
