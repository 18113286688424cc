"""Scale: width and height of images change independently."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class Scale(MatrixWarp):
    """Scales the width and the height of images by two independent random factors per sample.

    Formula: width and height are multiplied by (1 + amount)^u and (1 + amount)^v, u, v ~ U(−1, 1). Pixels are
    interpolated bilinearly. All techniques of a recipe that move pixels are combined into one resampling.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: proportions vary (handwriting, objects seen from the side).
    Hurts when: the class depends on proportions (a 0 and an O, a square and a rectangle).

    >>> Scale(1.0).matrix((torch.tensor([1.0]), torch.tensor([-1.0])), (4, 4))[0].diagonal()
    tensor([0.5000, 2.0000, 1.0000])
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
    aliases: ClassVar[tuple[str, ...]] = ("stretch",)
    amount: float = knob(
        default=0.2,
        low=0,
        high=9,
        search=(0.05, 0.5),
        neutral=0.0,
        unit="fraction of the side",
        doc="largest relative change: factors lie between 1 / (1 + amount) and 1 + amount",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        across, down = ((1 + self.amount + torch.zeros_like(u)) ** -u for u in draw)
        return homogeneous_matrices([[across, 0.0, 0.0], [0.0, down, 0.0]], across)
