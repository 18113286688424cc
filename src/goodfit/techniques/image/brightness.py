"""Brightness: images become lighter or darker."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import maybe_nonzero, per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Brightness(ValueTransform):
    """Makes images lighter or darker by a random factor per sample.

    Formula: v ← v · (1 + amount · u), u ~ U(−1, 1), for values v in [0, 1]. The result is clipped to [0, 1].

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: the lighting differs between images.
    Hurts when: the class depends on brightness (radiology, thermal images).

    >>> light = torch.full((2, 1, 1, 1), 0.5), (torch.tensor([1.0, -1.0]),)
    >>> Brightness(0.5).transform(*light, Inputs("image")).flatten()
    tensor([0.7500, 0.2500])
    """

    references = (
        Reference(
            authors=("A. G. Howard",),
            title="Some improvements on deep convolutional neural network based image classification",
            venue="arXiv",
            year=2013,
            url="https://arxiv.org/abs/1312.5402",
        ),
    )
    amount: float = knob(
        default=0.2,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.05, 0.6),
        neutral=0.0,
        unit="fraction of the brightness",
        doc="largest change in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        change = self.amount * draw[0]
        lighter: Tensor = x * per_sample(1 + change, x)
        return lighter - per_sample(change * inputs.low, x) if maybe_nonzero(inputs.low) else lighter
