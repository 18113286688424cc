"""Equalize: the histogram of each channel is flattened."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.augmentation import probability_knob


class Equalize(ValueTransform):
    """Equalizes the histogram of each channel of an image, so that all shades are about equally frequent.

    Formula: v ← c(v) / (n − m) with probability p per sample, where c(v) is the number of darker pixels in the channel,
    n the number of all pixels, and m the number of pixels of the lightest shade. Shades are multiples of 1/255. A
    channel with a single shade does not change.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change; values have 256 shades.

    Helps when: exposures differ between photographs; usually together with other operations (see `rand_augment`).
    Hurts when: the class depends on brightness, or images are mostly background.

    >>> image = torch.tensor([0.2, 0.2, 0.4, 0.4]).reshape(1, 1, 2, 2).repeat(1, 1, 256, 256)
    >>> Equalize(1.0).transform(image, (), Inputs("image")).unique()
    tensor([0., 1.])

    Differs from pillow: pillow rounds n − m down to a multiple of 255, so that images with fewer pixels do not change.
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
        equalized = torch.where(below > 0, inputs.back(table.gather(2, shades)), x.flatten(2))
        return equalized.reshape(x.shape)
