"""Filtering: sounds without their high, low or middle frequencies."""

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
"""Octaves from what passes to what is stopped."""
BAND = 1.0
"""Octaves that a band-stop stops."""


class Filtering(SoundTransform):
    """Takes the high, the low or the middle frequencies from sounds, each from a cut-off of its own.

    Formula: with probability p, the spectrum is multiplied by h(e), where e are the octaves above the cut-off c: for a
    low-pass h = 1 below −1/4, 0 above 1/4, and half a wave of a cosine between; a high-pass is its mirror image; a
    band-stop stops an octave around c. c is drawn between `low` and `high` with its logarithm even, in shares of half
    the sampling rate, so that this need not be known: at 16,000 samples per second 0.25 is 2,000 Hz.

    Shape: x (batch, channel, time); it keeps its shape and dtype.

    Helps when: microphones, lines and rooms differ.
    Hurts when: what decides lies in one band, which may be gone.

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
        default="any", choices=FORMS, kw_only=True, doc="what is taken away; any: one of the three, drawn per sample"
    )
    low: float = knob(
        default=0.05,
        low=0,
        high=1,
        open_left=True,
        search=(0.01, 0.2),
        log=True,
        kw_only=True,
        unit="share of half the sampling rate",
        doc="the lowest cut-off",
    )
    high: float = knob(
        default=0.5,
        low=0,
        high=1,
        open_left=True,
        search=(0.3, 0.9),
        log=True,
        kw_only=True,
        unit="share of half the sampling rate",
        doc="the highest cut-off",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        which = torch.empty(2, len(x), dtype=torch.float32, device=x.device).uniform_(generator=generator)
        return tuple(which.unbind(0))

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        which, place = draw
        cut: Tensor = self.low * (self.high / self.low) ** place
        octaves = relative_frequencies(x.shape[-1], x).clamp(min=1e-6).log2() - cut.log2()[:, None]  # (batch, bin)
        low, high, stop = _passed(-octaves), _passed(octaves), _passed(octaves.abs() - BAND / 2)
        gains = {"low_pass": low, "high_pass": high, "band_stop": stop}
        third = (which[:, None] * 3).floor()
        some = torch.where(third < 1, low, torch.where(third < 2, high, stop))
        return filter_frequencies(x, gains.get(self.form, some))


def _passed(octaves: Tensor) -> Tensor:
    """0 below −EDGE / 2 and 1 above EDGE / 2."""
    share = (octaves / EDGE + 0.5).clamp(0.0, 1.0)
    return share * share * (3 - 2 * share)
