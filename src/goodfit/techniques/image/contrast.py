"""Contrast: the contrast of images changes at random."""

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
    """Raises or lowers the contrast of images by a random factor per sample.

    Formula: v ← m + (1 + amount · u)(v − m), u ~ U(−1, 1), for values v in [0, 1]. m is the mean luminance of the image
    or clip. The result is clipped to [0, 1].

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: the lighting and the cameras differ between images.
    Hurts when: the class depends on contrast.

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
        unit="fraction of the contrast",
        doc="largest change in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        change, mean = self.amount * draw[0], grayscale(x).flatten(1).mean(1)
        return x * per_sample(1 + change, x) - per_sample(change * mean, x)
