"""Random crop: a random window of the padded image."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.image_warp import homogeneous_matrices
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, MatrixWarp
from goodfit.technique import knob


class RandomCrop(MatrixWarp):
    """Pads images and cuts out a window of the original size at a random position.

    Formula: the window moves by −n to n whole pixels in each direction, all equally likely, where n is padding · W or
    padding · H, rounded. `fill` is the padding. Nothing is interpolated, unless the recipe has other techniques that
    move pixels.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: objects are not always centred. It is the usual choice for small photographs (padding of 4 for 32
    pixels).
    Hurts when: the class depends on the position, or the object fills the image.

    >>> RandomCrop(0.125).matrix((torch.tensor([0.9]), torch.tensor([-0.1])), (32, 32))[0, :2, 2]
    tensor([4., 0.])

    Differs from the paper: the padding is a fraction of the side.
    """

    references = (
        Reference(
            authors=("K. He", "X. Zhang", "S. Ren", "J. Sun"),
            title="Deep residual learning for image recognition",
            venue="CVPR",
            year=2016,
            url="https://arxiv.org/abs/1512.03385",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("crop",)
    padding: float = knob(
        default=0.125,
        low=0,
        high=1,
        search=(0.05, 0.25),
        neutral=0.0,
        unit="fraction of the side",
        doc="padding on each side",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        right, down = draw
        height, width = size
        across, upright = (_whole(u, self.padding * side) for u, side in ((right, width), (down, height)))
        return homogeneous_matrices([[1.0, 0.0, across], [0.0, 1.0, upright]], right)


def _whole(level: Tensor, most: float | Tensor) -> Tensor:
    """Map a level in [−1, 1) to a whole number from −n to n, where n is `most`, rounded."""
    n = (most + torch.zeros_like(level)).round()
    return ((level + 1) / 2 * (2 * n + 1)).floor() - n
