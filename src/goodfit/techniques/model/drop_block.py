"""DropBlock: set random blocks of the feature maps to zero."""

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
    """Sets random blocks of each feature map to zero and rescales the rest, so that the mean is preserved.

    Formula: x ← x · M · count(M) / sum(M), counted over the whole batch, where M is 0 in every block and 1 elsewhere. A
    block has `block` positions along each spatial dimension, and starts with probability γ at each position where it
    fits into the map: γ = rate · Π size / (block · (size − block + 1)) over the spatial dimensions. Blocks are drawn
    independently per sample and channel, and clipped to the size of smaller maps. Blocks may overlap, so that at high
    rates less than `rate` is dropped. It is applied to the input of each selected convolution, but not to the network's
    own input. Training only; evaluation is unchanged.

    Shape: activations (batch, channel, space…), one to three spatial dimensions.

    Helps when: maps are large and neighbouring positions carry similar information, in the deeper layers of
    convolutional networks.
    Hurts when: maps are as small as the block (whole channels are then dropped), or training is short.

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
        unit="fraction",
        doc="fraction of each map to drop",
    )
    block: int = knob(
        default=5, low=1, search=(3, 7), unit="positions", doc="side of a block, clipped to the size of the map"
    )
    on: str = selector()

    def for_layer(self, first: bool) -> Self | None:
        return None if first else self

    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        space = x.shape[2:]
        block = [min(self.block, size) for size in space]
        starts = [size - side + 1 for size, side in zip(space, block, strict=True)]
        gamma = self.rate * (math.prod(space) / (math.prod(block) * math.prod(starts)))
        corners = x.new_empty(*x.shape[:2], *starts).bernoulli_(gamma, generator=generator)
        return (1 - _blocks(corners, block),)

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        kept = draw[0]
        # A sum in half precision overflows above 65504.
        total = kept.sum(dtype=torch.promote_types(kept.dtype, torch.float32)).clamp(min=1)
        return x * (kept * (kept.numel() / total).to(kept.dtype))


def _blocks(corners: Tensor, block: Sequence[int]) -> Tensor:
    """1 in every block whose first corner is 1 in `corners`, 0 elsewhere: (batch, channel, size, …)."""
    # A position is in a block that starts at most side − 1 before it; the padding gives each position a full window.
    padded = F.pad(corners, [side - 1 for side in reversed(block) for _ in range(2)])
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(block) - 1]
    return pool(padded, list(block), stride=1)
