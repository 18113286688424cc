"""Shear: images slanted sideways and upwards."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class Shear(MatrixWarp):
    """Slants images, rows against columns and columns against rows, each by angles of its own.

    Formula: a pixel is taken from (x + y tan a, y + x tan b), counted from the middle, with a = `degrees` · u,
    b = `degrees` · v, u, v ~ U(−1, 1). Pixels are interpolated, and all that moves pixels in a recipe is one
    resampling.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: lines slant from one example to the next: handwriting.
    Hurts when: right angles tell the class.

    >>> Shear(45.0).matrix((torch.tensor([1.0]), torch.tensor([0.0])), (4, 4))[0, :2]
    tensor([[1., 1., 0.],
            [0., 1., 0.]])
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
    degrees: float = knob(
        default=10.0,
        low=0,
        high=80,
        search=(2.0, 30.0),
        neutral=0.0,
        unit="degrees",
        doc="the largest angle, to both sides",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        across, down = ((u * (self.degrees * (math.pi / 180))).tan() for u in draw)
        return homogeneous_matrices([[1.0, across, 0.0], [down, 1.0, 0.0]], across)
