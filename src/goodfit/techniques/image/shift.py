"""Shift: images moved sideways and up or down."""

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
    """Moves images sideways and up or down, each by a way of its own.

    Formula: the way is `amount` · (u · W, v · H) pixels, u, v ~ U(−1, 1); pixels are interpolated, and all that moves
    pixels in a recipe is one resampling. What leaves the image is lost; `fill` comes in.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: objects are not always in the middle, above all for networks without convolutions.
    Hurts when: the place tells the class, or the object fills the image.

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
        unit="share of the side",
        doc="the longest way, in both directions",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        right, down = draw
        height, width = size
        return homogeneous_matrices(
            [[1.0, 0.0, -right * self.amount * width], [0.0, 1.0, -down * self.amount * height]], right
        )
