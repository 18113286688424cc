"""Filtering: high, low or middle frequencies of sounds are removed."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.resample import filter_frequencies, relative_frequencies
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.augmentation import probability_knob
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob

FORMS = ("any", "low_pass", "high_pass", "band_stop")
EDGE = 0.5
"""Width of the transition, in octaves."""
BAND = 1.0
"""Width of the band that a band-stop removes, in octaves."""


class Filtering(SoundTransform):
    """Removes the high, low or middle frequencies of sounds, with a random cut-off per sample.

    Formula: with probability p, the spectrum is multiplied by h(e), where e is the distance from the cut-off c in
    octaves. Low-pass: h = 1 below −1/4, 0 above 1/4, and a smooth transition between. High-pass: its mirror image.
    Band-stop: it removes one octave around c. log c is uniform between log `low` and log `high`. Cut-offs are shares of
    half the sampling rate, which need not be known: at 16,000 samples per second, 0.25 is 2,000 Hz.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: microphones, lines and rooms differ.
    Hurts when: the class depends on one band, which may be removed.

    >>> both = torch.ones(8) + torch.tensor([1.0, -1.0] * 4)  # a constant, and the highest frequency
    >>> draw = torch.zeros(1), torch.tensor([0.5])
    >>> low = Filtering(1.0, form="low_pass").transform_sound(both.repeat(1, 1, 99), draw, Inputs())
    >>> low[0, 0, 400:404].round(decimals=4)
    tensor([1., 1., 1., 1.])
    """

    references = (
        Reference(
            authors=("E. Kharitonov", "M. Rivière", "G. Synnaeve", "L. Wolf", "P.-E. Mazaré", "M. Douze", "E. Dupoux"),
            title="Data augmenting contrastive learning of speech representations in the time domain",
            venue="SLT",
            year=2021,
            url="https://arxiv.org/abs/2007.00991",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("random_filter",)
    p: float = probability_knob(0.5)
    form: str = knob(
        default="any", choices=FORMS, kw_only=True, doc="type of the filter; any: one of the three, drawn per sample"
    )
    low: float = knob(
        default=0.05,
        low=0,
        high=1,
        open_left=True,
        search=(0.01, 0.2),
        log=True,
        kw_only=True,
        unit="fraction of half the sampling rate",
        doc="lowest cut-off",
    )
    high: float = knob(
        default=0.5,
        low=0,
        high=1,
        open_left=True,
        search=(0.3, 0.9),
        log=True,
        kw_only=True,
        unit="fraction of half the sampling rate",
        doc="highest cut-off",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        which = torch.empty(2, len(x), dtype=torch.float32, device=x.device).uniform_(generator=generator)
        return tuple(which.unbind(0))

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        form, position = draw
        cut: Tensor = self.low * (self.high / self.low) ** position
        octaves = relative_frequencies(x.shape[-1], x).clamp(min=1e-6).log2() - cut.log2()[:, None]  # (batch, bin)
        low, high, stop = _smoothstep(-octaves), _smoothstep(octaves), _smoothstep(octaves.abs() - BAND / 2)
        gains = {"low_pass": low, "high_pass": high, "band_stop": stop}
        third = (form[:, None] * 3).floor()
        mixed = torch.where(third < 1, low, torch.where(third < 2, high, stop))
        return filter_frequencies(x, gains.get(self.form, mixed))


def _smoothstep(octaves: Tensor) -> Tensor:
    """0 below −EDGE / 2, 1 above EDGE / 2, and a smooth transition between."""
    share = (octaves / EDGE + 0.5).clamp(0.0, 1.0)
    return share * share * (3 - 2 * share)
