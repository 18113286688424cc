"""Solarize: the lightest shades of images are inverted."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Solarize(ValueTransform):
    """Inverts the lightest shades of images, above a random threshold per sample.

    Formula: v ← 1 − v where v > 1 − amount · |u|, u ~ U(−1, 1), for values v in [0, 1].

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: photographs, together with other operations (see `rand_augment`).
    Hurts when: the class depends on light and dark.

    >>> image = torch.tensor([0.4, 0.9]).reshape(1, 1, 1, 2)
    >>> Solarize(0.5).transform(image, (torch.tensor([1.0]),), Inputs("image")).flatten()
    tensor([0.4000, 0.1000])
    """

    references = (
        Reference(
            authors=("E. D. Cubuk", "B. Zoph", "D. Mane", "V. Vasudevan", "Q. V. Le"),
            title="AutoAugment: learning augmentation strategies from data",
            venue="CVPR",
            year=2019,
            url="https://arxiv.org/abs/1805.09501",
        ),
    )
    amount: float = knob(
        default=0.5,
        low=0,
        high=1,
        search=(0.1, 1.0),
        neutral=0.0,
        unit="fraction of the shades",
        doc="largest fraction of the shades to invert",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        threshold = inputs.high - per_sample(self.amount * draw[0].abs(), x) * (inputs.high - inputs.low)
        return torch.where(x > threshold, inputs.low + inputs.high - x, x)
