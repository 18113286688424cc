"""Pitch: sounds become higher or lower at the same speed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.resample import resample
from goodfit.ops.sampling import signed_uniform
from goodfit.ops.stft import frame_count, istft, phase_vocoder, stft
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob

OCTAVE = 12
EDGE = 0.05  # width of the fade-out below half the sampling rate, as a fraction of all frequencies


class Pitch(SoundTransform):
    """Shifts the pitch of sounds by a random interval per sample, at the same speed.

    Formula: f = 2^(semitones · u / 12), u ~ U(−1, 1). A phase vocoder makes the sound f times as long at the same
    pitch; it is then played f times as fast. Frequencies above half the sampling rate are removed.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: voices and instruments differ in pitch. It is often the best augmentation for music.
    Hurts when: the class depends on pitch (notes, birds).

    >>> x = torch.sin(torch.arange(2000.0) * 0.2).reshape(1, 1, 2000)
    >>> low = Pitch(12.0).transform_sound(x, (torch.tensor([-1.0]),), Inputs())
    >>> round(float(torch.fft.rfft(low[0, 0, 500:1500]).abs().argmax()) * 2 * torch.pi / 1000, 2)
    0.1
    """

    references = (
        Reference(
            authors=("J. Salamon", "J. P. Bello"),
            title="Deep convolutional neural networks and data augmentation for environmental sound classification",
            venue="IEEE Signal Processing Letters",
            volume="24",
            year=2017,
            url="https://arxiv.org/abs/1608.04363",
        ),
        Reference(
            authors=("J. L. Flanagan", "R. M. Golden"),
            title="Phase vocoder",
            venue="Bell System Technical Journal",
            volume="45",
            year=1966,
            topic="the vocoder",
            url="https://doi.org/10.1002/j.1538-7305.1966.tb01706.x",
        ),
    )
    semitones: float = knob(
        default=2.0,
        low=0,
        high=OCTAVE,
        search=(0.5, 5.0),
        neutral=0.0,
        unit="semitones",
        doc="largest change in either direction",
    )
    window: int = knob(
        default=512,
        low=16,
        high=16384,
        search=(256, 2048),
        log=True,
        kw_only=True,
        unit="samples",
        doc="window length of the spectra: a few periods of the lowest tone, about 30 to 60 ms",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        length = x.shape[-1]
        factor: Tensor = 2.0 ** (self.semitones * draw[0] / OCTAVE)
        # Members of a population differ in strength but share their shapes, which must fit an octave.
        most = OCTAVE if isinstance(self.semitones, Tensor) else self.semitones
        room = math.ceil(2.0 ** (most / OCTAVE) * length)
        spectra = phase_vocoder(stft(x, self.window), 1 / factor, frame_count(room, self.window))
        high = torch.linspace(0.0, 1.0, spectra.shape[-1], dtype=x.dtype, device=x.device) * factor[:, None]
        spectra = spectra * ((1 - high) / EDGE).clamp(0.0, 1.0)[:, None, None]
        shifted = resample(istft(spectra, self.window, room, 2), 2 * factor, length)
        return torch.where(per_sample(factor == 1, x), x, shifted)
