"""Posterize: images have fewer shades."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Posterize(ValueTransform):
    """Reduces the number of shades per channel of an image to a random number.

    Formula: v ← ⌊255 v / s⌋ s / 255 for values v in [0, 1], with s = 2^round(bits · |u|), u ~ U(−1, 1) per sample.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: photographs, together with other operations (see `rand_augment`).
    Hurts when: the class depends on small differences of shade.

    >>> image = torch.tensor([0.4, 0.6]).reshape(1, 1, 1, 2)
    >>> Posterize(7.0).transform(image, (torch.tensor([1.0]),), Inputs("image")).flatten()
    tensor([0.0000, 0.5020])
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
    bits: float = knob(
        default=4.0,
        low=0,
        high=7,
        search=(1.0, 6.0),
        neutral=0.0,
        unit="bits",
        doc="largest number of bits to remove from the 8 bits of a channel",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        removed = (self.bits * draw[0].abs()).round()
        step = per_sample(2.0**removed, x) / 255
        fewer = (inputs.unit(x) / step + 1e-4).floor() * step  # 1e-4 keeps rounding errors from lowering exact shades
        return torch.where(per_sample(removed == 0, x), x, inputs.back(fewer))
