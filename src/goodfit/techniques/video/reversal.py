"""Reversal: clips are played backwards."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.augmentation import probability_knob


class Reversal(ValueTransform):
    """Plays clips, sounds or series backwards at random.

    Formula: x[t] ← x[T − 1 − t] with probability p per sample.

    Shape: x (batch, channel, frame, height, width) or (batch, channel, time). Shape and dtype do not change.

    Helps when: the direction of time has no meaning (textures, vibrations, walking on the spot).
    Hurts when: the direction of time matters (opening and closing, speech, most actions).

    >>> Reversal(1.0).transform(torch.arange(3.0).reshape(1, 1, 3), (), Inputs("series")).flatten()
    tensor([2., 1., 0.])
    """

    references = (
        Reference(
            authors=("B. K. Iwana", "S. Uchida"),
            title="An empirical survey of data augmentation for time series classification with neural networks",
            venue="PLOS ONE",
            volume="16",
            number="7",
            year=2021,
            url="https://arxiv.org/abs/2007.15951",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("video", "series", "sound")
    p: float = probability_knob(0.5)

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return ()

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return x.flip(2)
