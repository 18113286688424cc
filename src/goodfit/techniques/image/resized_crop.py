"""Resized crop: a random part of the image, resized to the full size."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class ResizedCrop(MatrixWarp):
    """Cuts out a random part of an image and resizes it to the original size.

    Formula: the part has the fraction a ~ U(area, 1) of the image's area and the aspect ratio r relative to the image,
    log r ~ U(−log ratio, log ratio). Its sides are min(1, √(a r)) and min(1, √(a / r)) times those of the image. Its
    position is uniform.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: objects are seen from near and far, as in photographs. It is the strongest single augmentation there.
    Hurts when: objects are small or fill the image, so that a part without the object keeps its label.

    >>> crop = ResizedCrop(0.25, 1.0).matrix((torch.tensor([-1.0]), torch.tensor([0.0]), *torch.ones(2, 1)), (4, 4))
    >>> crop[0, :2]
    tensor([[0.5000, 0.0000, 1.0000],
            [0.0000, 0.5000, 1.0000]])

    Differs from the paper: a part that does not fit is made narrower instead of being drawn again.
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
        unit="fraction of the image",
        doc="smallest fraction of the image's area",
    )
    ratio: float = knob(
        default=4 / 3,
        low=1,
        high=10,
        search=(1.0, 2.0),
        neutral=1.0,
        unit="factor",
        doc="largest factor on the aspect ratio, in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 4, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        area, aspect, right, down = draw
        area = self.area + (1 - self.area) * (area + 1) / 2
        root = (self.ratio + torch.zeros_like(aspect)) ** (aspect / 2)
        sides = [(area.sqrt() * root).clamp(max=1.0), (area.sqrt() / root).clamp(max=1.0)]
        height, width = size
        return homogeneous_matrices(
            [
                [sides[0], 0.0, right * (1 - sides[0]) * width / 2],
                [0.0, sides[1], down * (1 - sides[1]) * height / 2],
            ],
            area,
        )
