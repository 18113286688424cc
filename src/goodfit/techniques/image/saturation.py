"""Saturation: colours become stronger or paler."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.color import grayscale
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Saturation(ValueTransform):
    """Makes the colours of images stronger or paler by a random factor per sample.

    Formula: v ← g + (1 + amount · u)(v − g), u ~ U(−1, 1), for values v in [0, 1]. g is the pixel's luminance,
    0.299 R + 0.587 G + 0.114 B. The result is clipped to [0, 1].

    Shape: x (batch, 3, …, height, width). Shape and dtype do not change.

    Helps when: the lighting and the cameras differ between images.
    Hurts when: the class depends on colour (ripe fruit, stained tissue).

    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> Saturation(1.0).transform(red, (torch.tensor([-1.0]),), Inputs("image")).flatten()
    tensor([0.2990, 0.2990, 0.2990])
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
    needs_rgb: ClassVar[bool] = True
    amount: float = knob(
        default=0.3,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.05, 0.9),
        neutral=0.0,
        unit="fraction of the saturation",
        doc="largest change in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        change = per_sample(self.amount * draw[0], x)
        return x * (1 + change) - change * grayscale(x)
