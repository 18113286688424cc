"""Rotation: images are rotated by a random angle."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class Rotation(MatrixWarp):
    """Rotates images about their centre by a random angle per sample.

    Formula: the angle is `degrees` · u, u ~ U(−1, 1), counterclockwise if positive. Pixels are interpolated bilinearly.
    All techniques of a recipe that move pixels are combined into one resampling.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: objects are not exactly upright: 10° to 15° for digits, more if images have no fixed top.
    Hurts when: the class depends on the angle (6 and 9), or `fill` hides relevant corners.

    >>> quarter = Rotation(90.0).matrix((torch.tensor([1.0]),), (4, 4))[0, :2].round()
    >>> quarter.tolist() == [[0, -1, 0], [1, 0, 0]]
    True
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
    aliases: ClassVar[tuple[str, ...]] = ("rotate",)
    degrees: float = knob(
        default=15.0,
        low=0,
        high=180,
        search=(2.0, 45.0),
        neutral=0.0,
        unit="degrees",
        doc="largest angle in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        angle = draw[0] * (self.degrees * (math.pi / 180))
        cos, sin = angle.cos(), angle.sin()
        return homogeneous_matrices([[cos, -sin, 0.0], [sin, cos, 0.0]], angle)
