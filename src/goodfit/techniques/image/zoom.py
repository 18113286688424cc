"""Zoom: images are enlarged or reduced."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class Zoom(MatrixWarp):
    """Zooms into or out of images by a random factor per sample, the same for width and height.

    Formula: the factor is (1 + amount)^u, u ~ U(−1, 1), so that zooming in and out are equally likely. Outside the
    image, `fill` appears. Pixels are interpolated bilinearly. All techniques of a recipe that move pixels are combined
    into one resampling.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: objects are seen from different distances.
    Hurts when: the class depends on size, or the object fills the image.

    >>> Zoom(1.0).matrix((torch.tensor([1.0, -1.0]),), (4, 4))[:, 0, 0]
    tensor([0.5000, 2.0000])
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
    amount: float = knob(
        default=0.2,
        low=0,
        high=9,
        search=(0.05, 0.5),
        neutral=0.0,
        unit="fraction of the size",
        doc="largest relative change: factors lie between 1 / (1 + amount) and 1 + amount",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        scale = (1 + self.amount + torch.zeros_like(draw[0])) ** -draw[0]
        return homogeneous_matrices([[scale, 0.0, 0.0], [0.0, scale, 0.0]], scale)
