"""Shift: images are moved horizontally and vertically."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class Shift(MatrixWarp):
    """Shifts images horizontally and vertically by random distances per sample.

    Formula: the shift is `amount` · (u · W, v · H) pixels, u, v ~ U(−1, 1). Pixels that leave the image are lost, and
    `fill` appears on the other side. Pixels are interpolated bilinearly. All techniques of a recipe that move pixels
    are combined into one resampling.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: objects are not always centred, above all for networks without convolutions.
    Hurts when: the class depends on the position, or the object fills the image.

    >>> Shift(0.5).matrix((torch.tensor([1.0]), torch.tensor([-1.0])), (4, 8))[0, :2, 2]
    tensor([-4.,  2.])
    """

    references = (
        Reference(
            authors=("C. Shorten", "T. M. Khoshgoftaar"),
            title="A survey on image data augmentation for deep learning",
            venue="Journal of Big Data",
            volume="6",
            year=2019,
            url="https://doi.org/10.1186/s40537-019-0197-0",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("translation",)
    amount: float = knob(
        default=0.1,
        low=0,
        high=1,
        search=(0.02, 0.3),
        neutral=0.0,
        unit="fraction of the side",
        doc="largest shift in each direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        right, down = draw
        height, width = size
        return homogeneous_matrices(
            [[1.0, 0.0, -right * self.amount * width], [0.0, 1.0, -down * self.amount * height]], right
        )
