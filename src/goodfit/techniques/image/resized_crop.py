"""Resized crop: a part of the image, brought back to the image's size."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class ResizedCrop(MatrixWarp):
    """Cuts a random part out of images and brings it back to the old size.

    Formula: a part of the share a ~ U(area, 1) of the image, with sides in the proportion r (that of the image: 1),
    log r ~ U(−log ratio, log ratio), anywhere in the image: its sides are min(1, √(a r)) and min(1, √(a / r)) times the
    image's.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: objects are seen from near and far, as in photographs; the strongest single augmentation there.
    Hurts when: the object is small or fills the image: parts without it keep its label.

    >>> crop = ResizedCrop(0.25, 1.0).matrix((torch.tensor([-1.0]), torch.tensor([0.0]), *torch.ones(2, 1)), (4, 4))
    >>> crop[0, :2]
    tensor([[0.5000, 0.0000, 1.0000],
            [0.0000, 0.5000, 1.0000]])

    Differs from the paper: a part that would not fit is made narrower, not drawn again.
    """

    references = (
        Reference(
            authors=("C. Szegedy", "et al."),
            title="Going deeper with convolutions",
            venue="CVPR",
            year=2015,
            url="https://arxiv.org/abs/1409.4842",
        ),
    )
    area: float = knob(
        default=0.35,
        low=0,
        high=1,
        open_left=True,
        search=(0.08, 0.9),
        neutral=1.0,
        unit="share of the image",
        doc="the smallest part",
    )
    ratio: float = knob(
        default=4 / 3,
        low=1,
        high=10,
        search=(1.0, 2.0),
        neutral=1.0,
        unit="factor",
        doc="how far the proportion of the sides may change, to both sides",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 4, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        share, proportion, right, down = draw
        share = self.area + (1 - self.area) * (share + 1) / 2
        root = (self.ratio + torch.zeros_like(proportion)) ** (proportion / 2)
        sides = [(share.sqrt() * root).clamp(max=1.0), (share.sqrt() / root).clamp(max=1.0)]
        height, width = size
        return homogeneous_matrices(
            [
                [sides[0], 0.0, right * (1 - sides[0]) * width / 2],
                [0.0, sides[1], down * (1 - sides[1]) * height / 2],
            ],
            share,
        )
