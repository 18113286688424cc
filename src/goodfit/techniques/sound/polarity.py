"""Polarity: sounds turned upside down."""

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
    """Turns sounds upside down, as a microphone with its wires exchanged does.

    Formula: with probability p, x ← −x.

    Shape: x (batch, channel, time); it keeps its shape and dtype.

    Helps when: the network reads the waveform itself: nobody hears a difference.
    Hurts when: nothing is known to be lost; a network that takes spectra does not see it either.

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
