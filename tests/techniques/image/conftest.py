"""Images, and PIL's operations to compare with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from goodfit.data import Inputs
from goodfit.stages import MatrixWarp, ValueTransform

ApplyDraw = Callable[[ValueTransform, Tensor, Tensor], Tensor]


@pytest.fixture
def photos() -> Tensor:
    """Smooth random images in [0, 1] (row, 3, 12, 16), the same each time."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(6, 3, 4, 5, generator=generator, dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (12, 16), mode="bilinear", align_corners=True)


@pytest.fixture
def apply_draw() -> ApplyDraw:
    """Apply a technique with a given draw (one number per image) and clip to [0, 1]."""

    def make(technique: ValueTransform, images: Tensor, draw: Tensor) -> Tensor:
        return technique.transform(images, (draw.to(images.dtype),), Inputs("image")).clamp(0, 1)

    return make


@pytest.fixture
def by_pil() -> Callable[[Callable[[Image.Image, int], Image.Image], Tensor], Tensor]:
    """Apply a PIL operation to each image, in steps of 1/255."""

    def make(change: Callable[[Image.Image, int], Image.Image], images: Tensor) -> Tensor:
        results = []
        for row, image in enumerate((images * 255).round().to(torch.uint8)):
            picture = Image.fromarray(image.movedim(0, -1).numpy())
            results.append(torch.from_numpy(np.asarray(change(picture, row)).copy()).movedim(-1, 0))
        return torch.stack(results).double() / 255

    return make


@pytest.fixture
def largest() -> Callable[[MatrixWarp, tuple[int, int]], Tensor]:
    """The matrices of many draws (draw, 3, 3)."""

    def make(technique: MatrixWarp, size: tuple[int, int]) -> Tensor:
        x = torch.zeros(2000, 1, *size)
        draw = technique.sample(x, torch.Generator().manual_seed(0))
        return technique.matrix(draw, size)

    return make
