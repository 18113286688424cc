"""TrivialAugment: one random operation out of fourteen, at a random strength."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.ops.image_warp import FILL_MODES
from goodfit.reference import Reference
from goodfit.stages import Augmentation, AugmentationPolicy, Draw
from goodfit.stages.augmentation import FILL_DOC, probability_knob
from goodfit.technique import knob
from goodfit.techniques.image import _operations


class TrivialAugment(AugmentationPolicy):
    """Applies one operation to each image, drawn from fourteen, at a random strength.

    Formula: one of identity, shear and shift in each direction, rotation, brightness, saturation, contrast, sharpness,
    posterize, solarize, auto-contrast and equalize, each with probability 1/14. The strength is u times the largest
    one, u ~ U(−1, 1).

    Shape: x (batch, 1 or 3, …, height, width). Shape and dtype do not change. Saturation has no effect on images with
    one channel.

    Helps when: data are photographs. There is nothing to tune.
    Hurts when: most of these operations destroy the image (digits), or training is short.

    >>> len(TrivialAugment().operations())
    13

    Differs from the paper: the largest strengths are those of RandAugment, and strengths are continuous.
    """

    references = (
        Reference(
            authors=("S. G. Müller", "F. Hutter"),
            title="TrivialAugment: tuning-free yet state-of-the-art data augmentation",
            venue="ICCV",
            year=2021,
            url="https://arxiv.org/abs/2103.10158",
        ),
    )
    p: float = probability_knob(1.0)
    fill: str = knob(default="black", choices=FILL_MODES, kw_only=True, doc=FILL_DOC)

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        operation = torch.randint(len(_operations.NAMES) + 1, (len(x),), generator=generator, device=x.device)
        level = torch.empty(len(x), dtype=torch.float32, device=x.device)
        return operation, level.uniform_(-1.0, 1.0, generator=generator)

    def operations(self) -> Sequence[Augmentation]:
        return _operations.largest(self.fill)

    def assignments(self, draw: Draw) -> Sequence[tuple[Tensor, Draw]]:
        operation, level = draw
        return [
            (operation == number, _operations.draw_at(name, level)) for number, name in enumerate(_operations.NAMES)
        ]
