"""The operations of RandAugment and TrivialAugment, beside doing nothing: the catalogue's, as strong as they become."""

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
DEGREES = 16.699244  # tan of it is 0.3


def parts(fill: str) -> list[Augmentation]:
    """The operations at their largest strengths, in the order of the names."""
    return [
        Shear(DEGREES, fill=fill), Shear(DEGREES, fill=fill), Shift(150 / 331, fill=fill), Shift(150 / 331, fill=fill),
        Rotation(30.0, fill=fill), Brightness(0.9), Saturation(0.9), Contrast(0.9), Sharpness(0.9), Posterize(4.0),
        Solarize(1.0), AutoContrast(1.0), Equalize(1.0),
    ]  # fmt: skip


def told(name: str, level: Tensor) -> Draw:
    """What an operation is told in place of its own drawing: a level (batch,) in [−1, 1]."""
    if name.endswith("across"):
        return level, torch.zeros_like(level)
    if name.endswith("down"):
        return torch.zeros_like(level), level
    return () if name in ("auto-contrast", "equalize") else (level,)
