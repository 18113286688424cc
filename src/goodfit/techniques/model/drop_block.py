"""DropBlock: connected regions of the maps switched off at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.reference import Reference
from goodfit.stages import Draw, Noise, selector
from goodfit.technique import knob


class DropBlock(Noise):
    """Sets random blocks of each map to zero in training and scales the rest, so that the mean is kept.

    Formula: x ← x · M · count(M) / sum(M), counted over the whole batch, with M = 0 in every block and 1 elsewhere; the
    identity in evaluation. A block has `block` positions along each dimension of space, and one begins with probability
    γ at each place where it fits into the map: γ = rate · Π size / (block · (size − block + 1)) over these dimensions.
    Blocks are drawn anew per sample and channel, and cut to the size of smaller maps. They may overlap, so that a high
    rate drops less than it says. It acts on what flows into each chosen convolution; not on the network's own input.

    Shape: activations (batch, channel, space…), one to three dimensions of space.

    Helps when: maps are large and neighbours tell the same, in the deeper layers of convolution networks.
    Hurts when: maps are of the size of the block (whole channels are dropped then), or training is short.

    >>> kept = torch.tensor([[[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]]])
    >>> DropBlock(0.5, block=3).perturb(torch.ones(1, 1, 6), (kept,))
    tensor([[[2., 0., 0., 0., 2., 2.]]])

    Differs from the paper: the rate does not rise during training; it follows `schedule`.
    """

    references = (
        Reference(
            authors=("G. Ghiasi", "T.-Y. Lin", "Q. V. Le"),
            title="DropBlock: a regularization method for convolutional networks",
            venue="NeurIPS",
            year=2018,
            url="https://arxiv.org/abs/1810.12890",
        ),
    )
    convolutions_only: ClassVar[bool] = True
    rate: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.3),
        neutral=0.0,
        unit="share",
        doc="share of each map to drop",
    )
    block: int = knob(default=5, low=1, search=(3, 7), unit="positions", doc="side of a block, clipped to the map's")
    on: str = selector()

    def for_layer(self, first: bool) -> Self | None:
        return None if first else self

    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        space = x.shape[2:]
        block = [min(self.block, size) for size in space]
        starts = [size - side + 1 for size, side in zip(space, block, strict=True)]
        gamma = self.rate * (math.prod(space) / (math.prod(block) * math.prod(starts)))
        drawn = x.new_empty(*x.shape[:2], *starts).bernoulli_(gamma, generator=generator)
        return (1 - _blocks(drawn, block),)

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        kept = draw[0]
        return x * (kept * (kept.numel() / kept.sum().clamp(min=1)))


def _blocks(starts: Tensor, block: Sequence[int]) -> Tensor:
    """1 in every block whose first corner is drawn, 0 elsewhere: (batch, channel, size, …)."""
    # A place lies in a block that starts at most side − 1 before it; the padding gives each place its full window.
    padded = F.pad(starts, [side - 1 for side in reversed(block) for _ in range(2)])
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(block) - 1]
    return pool(padded, list(block), stride=1)
