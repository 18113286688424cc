"""The convolutional network for sound: on the logarithms of mel spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.errors import InputError

FLOOR = 1e-6
"""What is added to powers before their logarithm."""
BANDS = 40
SECONDS = 0.032
"""About how long a window is."""


class LogMel(nn.Module):
    """Sound as pictures: ln(1e-6 + power in each band of the mel scale), in windows one behind the other.

    Formula: Hann windows of `window` samples every `hop` samples, with silence around the sound so that the first has
    its middle at the first sample; the squares of the absolute values of their spectra; triangles whose middles are
    even on mel(f) = 2595 · log10(1 + f / 700) between 0 and half the rate, each 1 at its middle.

    Shape: (batch, channels, time) → (batch, channels, bands, time // hop + 1).

    >>> LogMel(8000, 256, 128, 40)(torch.zeros(2, 1, 8000)).shape
    torch.Size([2, 1, 40, 63])

    Reference: S. Davis and P. Mermelstein, Comparison of parametric representations for monosyllabic word recognition
    in continuously spoken sentences, IEEE Transactions on Acoustics, Speech, and Signal Processing 28, 1980,
    https://doi.org/10.1109/TASSP.1980.1163420

    Raises:
        InputError: a size below 1, or bands so narrow that some hold no frequency of the spectra.
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
        filters = triangles(rate, window, bands)
        empty = int((filters.sum(0) == 0).sum())
        if empty:
            raise InputError(
                f"LogMel: {empty} of {bands} bands hold no frequency of a window of {window} samples at rate {rate}; "
                "give fewer bands or a longer window."
            )
        # Neither is learned: they follow from the numbers above, and are no part of what is stored.
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, time) → (batch, channels, bands, frame)."""
        half = self.size // 2
        cut = F.pad(x, (half, self.size - half)).unfold(-1, self.size, self.hop)
        cut = cut[..., : x.shape[-1] // self.hop + 1, :] * self.window
        power = torch.view_as_real(torch.fft.rfft(cut)).square().sum(-1)  # (batch, channels, frame, bin)
        return (FLOOR + power @ self.filters).log().transpose(-1, -2)

    def extra_repr(self) -> str:
        """The numbers, for people."""
        return f"rate={self.rate}, window={self.size}, hop={self.hop}, bands={self.bands}"


def triangles(rate: int, window: int, bands: int) -> Tensor:
    """The weights (bin, band) by which the powers of a spectrum become those of mel bands.

    >>> triangles(8000, 8, 2).shape
    torch.Size([5, 2])
    """
    most = 2595 * math.log10(1 + rate / 2 / 700)
    ends = 700 * (10 ** (torch.linspace(0, most, bands + 2, dtype=torch.float64) / 2595) - 1)
    hertz = torch.arange(window // 2 + 1, dtype=torch.float64)[:, None] * rate / window
    rising = (hertz - ends[:-2]) / (ends[1:-1] - ends[:-2])
    falling = (ends[2:] - hertz) / (ends[2:] - ends[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).to(torch.get_default_dtype())


def mel_cnn(
    input_shape: Sequence[int], outputs: int, channels: Sequence[int] = (16, 32, 64), rate: int = 8000
) -> nn.Sequential:
    """Log-mel pictures of sound, normalised, convolutions with ReLU and pooling to half, a mean, and a linear layer.

    The mean is over time alone: when something sounds tells little, how high it is tells much.

    The windows are the power of two next to 32 ms (256 samples at the rate 8000), half overlapping. Where the `rate` is
    not known, 8000 serves: it only bends the mel scale.

    Shape: inputs (batch, *input_shape) with input_shape (channels, time); outputs (batch, outputs), raw (no softmax).

    >>> [type(layer).__name__ for layer in mel_cnn((1, 8000), 10, channels=(8,))]
    ['LogMel', 'BatchNorm2d', 'Conv2d', 'BatchNorm2d', 'ReLU', 'MaxPool2d', 'AdaptiveAvgPool2d', 'Flatten', 'Linear']

    Raises:
        InputError: inputs that are no sound, or too short to be halved so often; a size below 1.
    """
    if len(input_shape) != 2:
        raise InputError(f"mel_cnn: inputs must be sound (channels, time), got {tuple(input_shape)}.")
    if min(*input_shape, *channels, outputs, rate) < 1:
        raise InputError(
            f"mel_cnn: every size must be at least 1, got inputs {tuple(input_shape)}, channels {tuple(channels)}, "
            f"rate {rate}."
        )
    window = max(64, 2 ** round(math.log2(SECONDS * rate)))
    heard = LogMel(rate, window, window // 2, min(BANDS, window // 6))
    halves = 2 ** len(channels)
    needed = (halves - 1) * heard.hop
    if heard.bands < halves:
        raise InputError(f"mel_cnn: {heard.bands} bands cannot be halved {len(channels)} times; give fewer channels.")
    if input_shape[1] < needed:
        raise InputError(
            f"mel_cnn: {len(channels)} poolings to half the size need at least {needed} samples, got {input_shape[1]}; "
            f"give fewer channels, mel_cnn:{channels[0]}."
        )
    layers: list[nn.Module] = []
    for before, after in pairwise([input_shape[0], *channels]):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2),
        ]  # fmt: skip
    return nn.Sequential(
        heard, nn.BatchNorm2d(input_shape[0]), *layers, nn.AdaptiveAvgPool2d((None, 1)), nn.Flatten(),
        nn.Linear(channels[-1] * (heard.bands // halves), outputs),
    )  # fmt: skip
