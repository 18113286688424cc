"""The operations of RandAugment and TrivialAugment, in addition to the identity."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.stages import Augmentation, Draw
from goodfit.techniques.image.auto_contrast import AutoContrast
from goodfit.techniques.image.brightness import Brightness
from goodfit.techniques.image.contrast import Contrast
from goodfit.techniques.image.equalize import Equalize
from goodfit.techniques.image.posterize import Posterize
from goodfit.techniques.image.rotation import Rotation
from goodfit.techniques.image.saturation import Saturation
from goodfit.techniques.image.sharpness import Sharpness
from goodfit.techniques.image.shear import Shear
from goodfit.techniques.image.shift import Shift
from goodfit.techniques.image.solarize import Solarize

NAMES = (
    "shear across", "shear down", "shift across", "shift down", "rotation", "brightness", "saturation", "contrast",
    "sharpness", "posterize", "solarize", "auto-contrast", "equalize",
)  # fmt: skip
DEGREES = 16.699244  # its tangent is 0.3


def largest(fill: str) -> list[Augmentation]:
    """The operations at their largest strengths, in the order of `NAMES`."""
    return [
        Shear(DEGREES, fill=fill), Shear(DEGREES, fill=fill), Shift(150 / 331, fill=fill), Shift(150 / 331, fill=fill),
        Rotation(30.0, fill=fill), Brightness(0.9), Saturation(0.9), Contrast(0.9), Sharpness(0.9), Posterize(4.0),
        Solarize(1.0), AutoContrast(1.0), Equalize(1.0),
    ]  # fmt: skip


def draw_at(name: str, level: Tensor) -> Draw:
    """The draw of an operation for the strength `level` (batch,), as a fraction of its largest one in [−1, 1]."""
    if name.endswith("across"):
        return level, torch.zeros_like(level)
    if name.endswith("down"):
        return torch.zeros_like(level), level
    return () if name in ("auto-contrast", "equalize") else (level,)
