"""Polarity: the sign of sounds is inverted."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.augmentation import probability_knob
from goodfit.stages.sound_base import SoundTransform


class Polarity(SoundTransform):
    """Inverts the sign of sounds at random, as a microphone with exchanged wires does.

    Formula: x ← −x with probability p.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: the network reads the waveform. Humans do not hear the difference.
    Hurts when: no harm is known. A network that reads spectra is not affected either.

    >>> Polarity(1.0).transform_sound(torch.tensor([[[0.5, -1.0]]]), (), Inputs()).flatten()
    tensor([-0.5000,  1.0000])
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
    aliases: ClassVar[tuple[str, ...]] = ("polarity_inversion",)
    p: float = probability_knob(0.5)

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return ()

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return -x
