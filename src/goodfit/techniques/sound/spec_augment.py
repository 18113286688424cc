"""SpecAugment: parts of time and bands of frequency are silenced."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.resample import filter_frequencies, relative_frequencies
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob

RATE = 16000  # assumed sampling rate if it is unknown
FADE = 0.01  # width of the soft edges, as a fraction of the length and of the mel scale


class SpecAugment(SoundTransform):
    """Silences random time intervals and random frequency bands, drawn per sample.

    Formula: `masks` times, a band of width w · frequency of the mel scale, m(f) = ln(1 + f / 700), and an interval of
    w · time of the length are multiplied by 0, with soft edges inside; w ~ U(0, 1), at uniform positions. It acts on
    the waveform, so that it also serves networks that read waveforms.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: speech and sounds can be recognized by more than one moment and one band.
    Hurts when: the class depends on a short moment or a narrow band.

    >>> draw = torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[1.0, 0.5]]])
    >>> technique = SpecAugment(time=0.5, frequency=0.0, masks=1)
    >>> technique.transform_sound(torch.ones(1, 1, 8), draw, Inputs("sound")).flatten()
    tensor([1., 1., 0., 0., 0., 0., 1., 1.])

    Differs from the paper: it acts on the waveform; masked parts are silent instead of the mean; time is not warped. If
    the sampling rate is unknown, 16,000 per second is assumed for the mel scale.
    """

    references = (
        Reference(
            authors=("D. S. Park", "W. Chan", "Y. Zhang", "C.-C. Chiu", "B. Zoph", "E. D. Cubuk", "Q. V. Le"),
            title="SpecAugment: a simple data augmentation method for automatic speech recognition",
            venue="Interspeech",
            year=2019,
            url="https://arxiv.org/abs/1904.08779",
        ),
    )
    time: float = knob(
        default=0.15,
        low=0,
        high=1,
        search=(0.05, 0.4),
        neutral=0.0,
        unit="fraction of the length",
        doc="longest time interval of a mask",
    )
    frequency: float = knob(
        default=0.15,
        low=0,
        high=1,
        search=(0.05, 0.4),
        neutral=0.0,
        unit="fraction of the mel scale",
        doc="widest frequency band of a mask",
    )
    masks: int = knob(
        default=2,
        low=1,
        high=20,
        search=(1, 4),
        kw_only=True,
        unit="masks",
        doc="masks per axis: time and frequency",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        noise = torch.empty(2, len(x), self.masks, 2, dtype=torch.float32, device=x.device)
        return tuple(noise.uniform_(generator=generator).unbind(0))

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        length = x.shape[-1]
        most = (inputs.rate or RATE) / 2 / 700
        mel = (relative_frequencies(length, x) * most).log1p() / math.log1p(most)
        filtered = filter_frequencies(x, _gain(mel, self.frequency, draw[0]))
        unmasked = (self.frequency * draw[0][..., 0] == 0).all(1)
        x = torch.where(unmasked[:, None, None], x, filtered)
        moments = (torch.arange(length, dtype=x.dtype, device=x.device) + 0.5) / length
        return x * _gain(moments, self.time, draw[1])[:, None]


def _gain(at: Tensor, most: float | Tensor, draw: Tensor) -> Tensor:
    """The gain (batch, position) of masks at positions in [0, 1]; draw (batch, mask, 2): widths and starts."""
    width, start = (each[..., None] for each in draw.unbind(-1))
    width = most * width
    inside = width / 2 - (at - start * (1 - width) - width / 2).abs()  # distance to the nearest edge, positive inside
    return (1 - inside / FADE).clamp(0.0, 1.0).prod(1)
