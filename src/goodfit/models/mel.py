"""A convolutional network for sound, on log-mel spectrograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.errors import InputError

FLOOR = 1e-6
"""Added to the power before the logarithm."""
BANDS = 40
SECONDS = 0.032
"""Approximate length of a window."""


class LogMel(nn.Module):
    """Converts sound to log-mel spectrograms: ln(1e-6 + power in each mel band), one frame per window.

    Formula: Hann windows of `window` samples every `hop` samples; the sound is padded with zeros, so that the first
    window is centred at the first sample. The power spectrum of each window is multiplied by triangular filters with a
    peak of 1, whose centres are equally spaced on mel(f) = 2595 · log10(1 + f / 700) between 0 and half the rate.

    Shape: (batch, channels, time) → (batch, channels, bands, time // hop + 1).

    >>> LogMel(8000, 256, 128, 40)(torch.zeros(2, 1, 8000)).shape
    torch.Size([2, 1, 40, 63])

    Reference: S. Davis and P. Mermelstein, Comparison of parametric representations for monosyllabic word recognition
    in continuously spoken sentences, IEEE Transactions on Acoustics, Speech, and Signal Processing 28, 1980,
    https://doi.org/10.1109/TASSP.1980.1163420

    Raises:
        InputError: a size is below 1, or the bands are so narrow that some contain no frequency of the spectra.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, rate: int, window: int, hop: int, bands: int) -> None:
        super().__init__()
        if min(rate, hop, bands, window - 1) < 1:
            raise InputError(
                f"LogMel: every size must be at least 1 and window at least 2, got rate={rate}, window={window}, "
                f"hop={hop}, bands={bands}."
            )
        self.rate, self.size, self.hop, self.bands = rate, window, hop, bands
        filters = mel_filters(rate, window, bands)
        empty = int((filters.sum(0) == 0).sum())
        if empty:
            raise InputError(
                f"LogMel: every band must contain a frequency, got {empty} of {bands} bands without one for windows of "
                f"{window} samples at rate {rate}; use fewer bands or a longer window."
            )
        # constants that follow from the arguments, so they are not part of the state dict
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) → (batch, channels, bands, frame)."""
        half = self.size // 2
        frames = F.pad(x, (half, self.size - half)).unfold(-1, self.size, self.hop)
        frames = frames[..., : x.shape[-1] // self.hop + 1, :] * self.window
        power = torch.view_as_real(torch.fft.rfft(frames)).square().sum(-1)  # (batch, channels, frame, bin)
        return (FLOOR + power @ self.filters).log().transpose(-1, -2)

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"rate={self.rate}, window={self.size}, hop={self.hop}, bands={self.bands}"


def mel_filters(rate: int, window: int, bands: int) -> Tensor:
    """The matrix (bin, band) that converts a power spectrum to mel bands.

    >>> mel_filters(8000, 8, 2).shape
    torch.Size([5, 2])
    """
    highest = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, highest, bands + 2, dtype=torch.float64) / 2595) - 1)
    hertz = torch.arange(window // 2 + 1, dtype=torch.float64)[:, None] * rate / window
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).to(torch.get_default_dtype())


def mel_cnn(
    input_shape: Sequence[int], outputs: int, channels: Sequence[int] = (16, 32, 64), rate: int = 8000
) -> nn.Sequential:
    """Build a network of normalized log-mel spectrograms, convolutions with ReLU and pooling, and a linear layer.

    Before the linear layer, the features are averaged over time but not over frequency: the pitch of a sound is
    informative, the time at which it occurs is not.

    The length of a window is the power of two closest to 32 ms (256 samples at a rate of 8000); windows overlap by
    half. The rate sets the window length and the mel scale; if it is unknown, use the default of 8000.

    Shape: inputs (batch, *input_shape) with input_shape (channels, time); outputs (batch, outputs), raw (no softmax).

    >>> [type(layer).__name__ for layer in mel_cnn((1, 8000), 10, channels=(8,))]
    ['LogMel', 'BatchNorm2d', 'Conv2d', 'BatchNorm2d', 'ReLU', 'MaxPool2d', 'AdaptiveAvgPool2d', 'Flatten', 'Linear']

    Raises:
        InputError: the inputs are not sound or too short for the poolings, or a size is below 1.
    """
    if len(input_shape) != 2:
        raise InputError(f"mel_cnn: inputs must be sound (channels, time), got {tuple(input_shape)}.")
    if min(*input_shape, *channels, outputs, rate) < 1:
        raise InputError(
            f"mel_cnn: every size must be at least 1, got inputs {tuple(input_shape)}, channels {tuple(channels)}, "
            f"outputs {outputs}, rate {rate}."
        )
    log_mel = _log_mel(rate, input_shape[1], channels)
    layers: list[nn.Module] = []
    for before, after in pairwise([input_shape[0], *channels]):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2),
        ]  # fmt: skip
    bands = log_mel.bands // 2 ** len(channels)
    return nn.Sequential(
        log_mel, nn.BatchNorm2d(input_shape[0]), *layers, nn.AdaptiveAvgPool2d((None, 1)), nn.Flatten(),
        nn.Linear(channels[-1] * bands, outputs),
    )  # fmt: skip


def _log_mel(rate: int, length: int, channels: Sequence[int]) -> LogMel:
    """The spectrogram layer for a sampling rate; checks that it is large enough for one pooling per convolution."""
    window = max(64, 2 ** round(math.log2(SECONDS * rate)))
    log_mel = LogMel(rate, window, window // 2, min(BANDS, window // 6))
    smallest = 2 ** len(channels)
    shortest = (smallest - 1) * log_mel.hop
    remedy = f"use fewer layers, such as mel_cnn:{channels[0]}"
    if log_mel.bands < smallest:
        raise InputError(
            f"mel_cnn: {len(channels)} poolings by 2 require at least {smallest} bands, got {log_mel.bands}; {remedy}."
        )
    if length < shortest:
        raise InputError(
            f"mel_cnn: {len(channels)} poolings by 2 require at least {shortest} samples, got {length}; {remedy}."
        )
    return log_mel
