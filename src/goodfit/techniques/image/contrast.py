"""Contrast: images made harder or flatter."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.color import grayscale
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Contrast(ValueTransform):
    """Makes images harder or flatter, each by a factor of its own.

    Formula: v ← m + (1 + amount · u)(v − m), u ~ U(−1, 1), for values v in [0, 1], cut off to [0, 1]; m is the mean
    brightness of the image (of the clip).

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: light and cameras change from picture to picture.
    Hurts when: contrast tells the class.

    >>> image = torch.tensor([0.25, 0.75]).reshape(1, 1, 1, 2)
    >>> Contrast(0.5).transform(image, (torch.tensor([-1.0]),), Inputs("image")).flatten()
    tensor([0.3750, 0.6250])
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
        unit="share of the contrast",
        doc="the largest change, to both sides",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        change, mean = self.amount * draw[0], grayscale(x).flatten(1).mean(1)
        return x * per_sample(1 + change, x) - per_sample(change * mean, x)
