"""RandAugment: random operations out of fourteen, all at the same strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.image_warp import FILL_MODES
from goodfit.reference import Reference
from goodfit.stages import Augmentation, AugmentationPolicy, Draw
from goodfit.stages.augmentation import FILL_DOC
from goodfit.technique import knob
from goodfit.techniques.image import _operations


class RandAugment(AugmentationPolicy):
    """Applies a few operations to each image, drawn from fourteen, all at the same strength.

    Formula: `count` times one of identity, shear and shift in each direction, rotation, brightness, saturation,
    contrast, sharpness, posterize, solarize, auto-contrast and equalize, each with probability 1/14. The strength is
    `magnitude` times the largest one (30°, 0.9, 4 bits, …), with a random sign. Operations that move pixels come first
    and are combined into one resampling.

    Shape: x (batch, 1 or 3, …, height, width). Shape and dtype do not change. Saturation has no effect on images with
    one channel.

    Helps when: data are photographs. It needs two knobs instead of a dozen strengths.
    Hurts when: most of these operations destroy the image (digits), or training is short.

    >>> len(RandAugment(count=2).operations())
    26

    Differs from the paper: magnitude is a fraction (9 of 30 is 0.3). Operations that move pixels are one resampling,
    before the colours change.
    """

    references = (
        Reference(
            authors=("E. D. Cubuk", "B. Zoph", "J. Shlens", "Q. V. Le"),
            title="RandAugment: practical automated data augmentation with a reduced search space",
            venue="NeurIPS",
            year=2020,
            url="https://arxiv.org/abs/1909.13719",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("image", "video")
    magnitude: float = knob(
        default=0.3,
        low=0,
        high=1,
        search=(0.1, 1.0),
        main=True,
        unit="fraction of the largest strength",
        doc="strength of every operation",
    )
    count: int = knob(default=2, low=1, high=10, search=(1, 3), unit="operations", doc="operations per image")
    p: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        kw_only=True,
        unit="probability",
        doc="probability that a sample is changed at all",
    )
    fill: str = knob(default="black", choices=FILL_MODES, kw_only=True, doc=FILL_DOC)

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        shape = self.count, len(x)
        operation = torch.randint(len(_operations.NAMES) + 1, shape, generator=generator, device=x.device)
        side = torch.randint(2, shape, generator=generator, device=x.device)
        return operation.T, 2.0 * side.T - 1  # (batch, count)

    def operations(self) -> Sequence[Augmentation]:
        return _operations.largest(self.fill) * self.count

    def assignments(self, draw: Draw) -> Sequence[tuple[Tensor, Draw]]:
        operation, side = draw
        return [
            (operation[:, slot] == number, _operations.draw_at(name, self.magnitude * side[:, slot]))
            for slot in range(self.count)
            for number, name in enumerate(_operations.NAMES)
        ]
