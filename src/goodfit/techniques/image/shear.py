"""Shear: images are slanted horizontally and vertically."""

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
    """Shears images horizontally and vertically by random angles per sample.

    Formula: each pixel is taken from (x + y tan a, y + x tan b), relative to the centre, with a = `degrees` · u,
    b = `degrees` · v, u, v ~ U(−1, 1). Pixels are interpolated bilinearly. All techniques of a recipe that move pixels
    are combined into one resampling.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: the slant differs between samples (handwriting).
    Hurts when: the class depends on right angles.

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
        doc="largest angle in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        across, down = ((u * (self.degrees * (math.pi / 180))).tan() for u in draw)
        return homogeneous_matrices([[1.0, across, 0.0], [down, 1.0, 0.0]], across)
