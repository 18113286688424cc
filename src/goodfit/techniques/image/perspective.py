"""Perspective: images are seen from a random direction."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class Perspective(MatrixWarp):
    """Applies a random perspective transformation to images; straight lines stay straight.

    Formula: each corner of the new image is taken from the old image's corner plus
    `distortion` · (u · W / 2, v · H / 2), u, v ~ U(−1, 1). The other pixels follow the projective map through these
    four pairs of points, with bilinear interpolation. All techniques of a recipe that move pixels are combined into one
    resampling.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: flat objects are seen from different directions (signs, pages, licence plates).
    Hurts when: the class depends on angles.

    >>> still = Perspective(0.2).matrix(tuple(torch.zeros(8, 1)), (4, 4))
    >>> torch.allclose(still, torch.eye(3))
    True
    """

    references = (
        Reference(
            authors=("P. S. Heckbert",),
            title="Fundamentals of texture mapping and image warping",
            venue="University of California, Berkeley",
            year=1989,
            url="https://www2.eecs.berkeley.edu/Pubs/TechRpts/1989/CSD-89-516.pdf",
        ),
    )
    projective: ClassVar[bool] = True
    distortion: float = knob(
        default=0.2,
        low=0,
        high=0.5,
        search=(0.05, 0.4),
        neutral=0.0,
        unit="fraction of half the side",
        doc="largest shift of a corner in each direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 8, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        height, width = size
        # Corners in units of half the sides, from the centre: top left, top right, bottom right, bottom left.
        x0, x1, x2, x3 = (side + self.distortion * u for side, u in zip((-1, 1, 1, -1), draw[:4], strict=True))
        y0, y1, y2, y3 = (side + self.distortion * v for side, v in zip((-1, -1, 1, 1), draw[4:], strict=True))
        ax, bx, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
        ay, by, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
        area = ax * by - bx * ay
        g, h = (sx * by - bx * sy) / area, (ax * sy - sx * ay) / area
        # Heckbert's map from the unit square, with corners (0, 0) to (1, 1), to the four source corners.
        square = homogeneous_matrices(
            [[x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0], [g, h, 1.0]], g
        )
        halves = torch.tensor([width / 2, height / 2, 1.0], dtype=g.dtype, device=g.device)
        to_unit = torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]], dtype=g.dtype, device=g.device)
        return halves[:, None] * (square @ to_unit) / halves
