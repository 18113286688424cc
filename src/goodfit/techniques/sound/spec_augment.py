"""SpecAugment: sounds with stretches of time and bands of frequency missing."""

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

RATE = 16000  # where the samples per second are not known
FADE = 0.01  # from sound to silence, as a share of the length, and of the mel scale


class SpecAugment(SoundTransform):
    """Silences stretches of time and takes away bands of frequency, each sample's own.

    Formula: `masks` times, a band of w · frequency of the mel scale, m(f) = ln(1 + f / 700), and a stretch of
    w · time of the length, w ~ U(0, 1), anywhere, are multiplied by 0, with soft edges inside. It acts on the waveform,
    so that it serves networks that read it as well as those that take spectra.

    Shape: x (batch, channel, time); it keeps its shape and dtype.

    Helps when: speech and sounds that are told by more than one moment and one band.
    Hurts when: a short moment or a narrow band decides.

    >>> draw = torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[1.0, 0.5]]])
    >>> technique = SpecAugment(time=0.5, frequency=0.0, masks=1)
    >>> technique.transform_sound(torch.ones(1, 1, 8), draw, Inputs("sound")).flatten()
    tensor([1., 1., 0., 0., 0., 0., 1., 1.])

    Differs from the paper: it acts on the waveform; masked is silent, not the mean; time is not warped. Where the
    samples per second are not known, 16,000 are assumed for the mel scale.
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
        unit="share of the length",
        doc="the longest stretch of a mask",
    )
    frequency: float = knob(
        default=0.15,
        low=0,
        high=1,
        search=(0.05, 0.4),
        neutral=0.0,
        unit="share of the mel scale",
        doc="the widest band of a mask",
    )
    masks: int = knob(default=2, low=1, high=20, search=(1, 4), kw_only=True, unit="masks", doc="how many of each kind")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        drawn = torch.empty(2, len(x), self.masks, 2, dtype=torch.float32, device=x.device)
        return tuple(drawn.uniform_(generator=generator).unbind(0))

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        length = x.shape[-1]
        most = (inputs.rate or RATE) / 2 / 700
        mel = (relative_frequencies(length, x) * most).log1p() / math.log1p(most)
        left = filter_frequencies(x, _left(mel, self.frequency, draw[0]))
        whole = (self.frequency * draw[0][..., 0] == 0).all(1)
        x = torch.where(whole[:, None, None], x, left)
        moments = (torch.arange(length, dtype=x.dtype, device=x.device) + 0.5) / length
        return x * _left(moments, self.time, draw[1])[:, None]


def _left(at: Tensor, most: float | Tensor, drawn: Tensor) -> Tensor:
    """What masks leave (batch, place) of places (place,) in [0, 1]; drawn (batch, mask, 2): widths and beginnings."""
    width, start = (each[..., None] for each in drawn.unbind(-1))
    width = most * width
    inside = width / 2 - (at - start * (1 - width) - width / 2).abs()  # how deep inside a mask
    return (1 - inside / FADE).clamp(0.0, 1.0).prod(1)
