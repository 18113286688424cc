"""Auto-contrast: each channel is stretched from black to white."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.augmentation import probability_knob


class AutoContrast(ValueTransform):
    """Stretches each channel of an image so that its darkest value becomes black and its lightest value white.

    Formula: v ← (v − min) / (max − min) per channel, with probability p per sample. A channel with a single value does
    not change.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: exposures differ between photographs; usually together with other operations (see `rand_augment`).
    Hurts when: the class depends on brightness.

    >>> image = torch.tensor([0.4, 0.5, 0.6]).reshape(1, 1, 1, 3)
    >>> AutoContrast(1.0).transform(image, (), Inputs("image")).flatten()
    tensor([0.0000, 0.5000, 1.0000])
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
        pixels = tuple(range(2, x.ndim))
        low, high = x.amin(pixels, keepdim=True), x.amax(pixels, keepdim=True)
        return torch.where(high > low, inputs.back((x - low) / (high - low).clamp_min(1e-12)), x)
