"""Equalize: shades spread so that all are equally frequent."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.augmentation import probability_knob


class Equalize(ValueTransform):
    """Spreads the shades of each channel of an image, so that all are about equally frequent.

    Formula: v ← c(v) / (n − m), c(v) being the number of darker pixels of the channel, n of all and m of those of the
    lightest shade, with probability p per sample; shades are steps of 1/255, and a channel of one shade stays.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype, in 256 shades.

    Helps when: exposures differ; photographs, together with other operations (see `rand_augment`).
    Hurts when: brightness tells the class; images are mostly background.

    >>> image = torch.tensor([0.2, 0.2, 0.4, 0.4]).reshape(1, 1, 2, 2).repeat(1, 1, 256, 256)
    >>> Equalize(1.0).transform(image, (), Inputs("image")).unique()
    tensor([0., 1.])

    Differs from pillow: there, n − m is cut to a multiple of 255, so that images of fewer pixels stay as they are.
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
    p: float = probability_knob(0.5)

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return ()

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        shades = (inputs.unit(x).flatten(2) * 255).round().clamp(0, 255).long()  # (batch, channel, pixel)
        counts = torch.zeros(*shades.shape[:2], 256, dtype=x.dtype, device=x.device)
        counts = counts.scatter_add(2, shades, torch.ones_like(shades, dtype=x.dtype))
        lightest = counts.gather(2, shades.amax(2, keepdim=True))
        below = shades.shape[2] - lightest
        table = (counts.cumsum(2) - counts) / below.clamp_min(1)
        found = torch.where(below > 0, inputs.back(table.gather(2, shades)), x.flatten(2))
        return found.reshape(x.shape)
