"""Gain: sounds become louder or quieter."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob


class Gain(SoundTransform):
    """Makes sounds louder or quieter by a random factor per sample.

    Formula: x ← x · 10^(decibels · u / 20), u ~ U(−1, 1). The result is clipped to the loudest amplitude in the data.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: the distance to the microphone differs.
    Hurts when: the class depends on loudness. Sounds near full scale are distorted by clipping.

    >>> Gain(20.0).transform_sound(torch.ones(2, 1, 1), (torch.tensor([1.0, -0.5]),), Inputs()).flatten()
    tensor([10.0000,  0.3162])
    """

    references = (
        Reference(
            authors=("J. Spijkervet", "J. A. Burgoyne"),
            title="Contrastive learning of musical representations",
            venue="ISMIR",
            year=2021,
            url="https://arxiv.org/abs/2103.09410",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("loudness",)
    decibels: float = knob(
        default=6.0,
        low=0,
        high=60,
        search=(2.0, 18.0),
        neutral=0.0,
        unit="dB",
        doc="largest change in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        factor: Tensor = 10.0 ** (self.decibels / 20 * draw[0])
        return x * per_sample(factor, x)
