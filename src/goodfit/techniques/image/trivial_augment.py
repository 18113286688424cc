"""TrivialAugment: one operation out of fourteen, of any strength."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.ops.image_warp import FILL_MODES
from goodfit.reference import Reference
from goodfit.stages import Augmentation, AugmentationPolicy, Draw
from goodfit.stages.augmentation import FILL_DOC, probability_knob
from goodfit.technique import knob
from goodfit.techniques.image import _operations as operations


class TrivialAugment(AugmentationPolicy):
    """Applies one operation, drawn per image out of fourteen, at a strength that is drawn, too.

    Formula: one of identity, shear and shift across or down, rotation, brightness, saturation, contrast, sharpness,
    posterize, solarize, auto-contrast, equalize, each with probability 1/14; its strength is u times the largest one,
    u ~ U(−1, 1).

    Shape: x (batch, 1 or 3, …, height, width); it keeps its shape and dtype. Grey images have no saturation.

    Helps when: photographs; there is nothing to tune.
    Hurts when: digits and other images that most of these operations spoil; training is short.

    >>> len(TrivialAugment().operations())
    13

    Differs from the paper: the largest strengths are those of RandAugment; strengths have no steps.
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
        chosen = torch.randint(len(operations.NAMES) + 1, (len(x),), generator=generator, device=x.device)
        level = torch.empty(len(x), dtype=torch.float32, device=x.device)
        return chosen, level.uniform_(-1.0, 1.0, generator=generator)

    def operations(self) -> Sequence[Augmentation]:
        return operations.parts(self.fill)

    def assignments(self, draw: Draw) -> Sequence[tuple[Tensor, Draw]]:
        chosen, level = draw
        return [(chosen == number, operations.told(name, level)) for number, name in enumerate(operations.NAMES)]
