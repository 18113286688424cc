"""Random crop: a window of the image's size out of a larger, padded image."""

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
    """Pads images and cuts a window of the old size out, by whole pixels, each at a place of its own.

    Formula: the window is moved by −n to n whole pixels, all equally likely, in both directions; n is padding · W, or
    padding · H, rounded; `fill` is the padding. Without other techniques that move pixels nothing is interpolated.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: objects are not always in the middle; the usual choice for small photographs (padding 4 of 32 pixels).
    Hurts when: the place tells the class, or the object fills the image.

    >>> RandomCrop(0.125).matrix((torch.tensor([0.9]), torch.tensor([-0.1])), (32, 32))[0, :2, 2]
    tensor([4., 0.])

    Differs from the paper: the padding is a share of the side.
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
        unit="share of the side",
        doc="how much is put round the image before the window is cut out",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        right, down = draw
        height, width = size
        across, upright = (_whole(u, self.padding * side) for u, side in ((right, width), (down, height)))
        return homogeneous_matrices([[1.0, 0.0, across], [0.0, 1.0, upright]], right)


def _whole(level: Tensor, most: float | Tensor) -> Tensor:
    """A level in [−1, 1) as a whole number from −n to n, n being `most`, rounded."""
    n = (most + torch.zeros_like(level)).round()
    return ((level + 1) / 2 * (2 * n + 1)).floor() - n
