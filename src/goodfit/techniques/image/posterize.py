"""Posterize: images with fewer shades."""

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
    """Leaves images fewer shades per channel, each a number of its own.

    Formula: v ← ⌊255 v / s⌋ s / 255 for values v in [0, 1], with s = 2^round(bits · |u|), u ~ U(−1, 1).

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: photographs, together with other operations (see `rand_augment`).
    Hurts when: slight differences of shade tell the class.

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
        doc="how many of the 8 bits of a channel are lost at most",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        lost = (self.bits * draw[0].abs()).round()
        step = per_sample(2.0**lost, x) / 255
        fewer = (inputs.unit(x) / step + 1e-4).floor() * step  # whole shades stay, however they are rounded
        return torch.where(per_sample(lost == 0, x), x, inputs.back(fewer))
