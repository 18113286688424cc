"""Sharpness: images made sharper or softer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Sharpness(ValueTransform):
    """Makes images sharper or softer, each by a factor of its own.

    Formula: v ← s + (1 + amount · u)(v − s), u ~ U(−1, 1), for values v in [0, 1], cut off to [0, 1]; s is the mean of
    a pixel (weight 5) and its eight neighbours (weight 1 each), and v itself at the border.

    Shape: x (batch, channel, …, height, width), sides of at least 3 pixels; it keeps its shape and dtype.

    Helps when: focus and resolution differ from picture to picture.
    Hurts when: fine texture tells the class.

    >>> spot = torch.zeros(1, 1, 3, 3)
    >>> spot[0, 0, 1, 1] = 1.0
    >>> Sharpness(1.0).transform(spot, (torch.tensor([-1.0]),), Inputs("image"))[0, 0, 1]
    tensor([0.0000, 0.3846, 0.0000])
    """

    references = (
        Reference(
            authors=("E. D. Cubuk", "B. Zoph", "J. Shlens", "Q. V. Le"),
            title="RandAugment: practical automated data augmentation with a reduced search space",
            venue="NeurIPS",
            year=2020,
            url="https://arxiv.org/abs/1909.13719",
        ),
    )
    amount: float = knob(
        default=0.5,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.1, 0.9),
        neutral=0.0,
        unit="share of the sharpness",
        doc="the largest change, to both sides",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        inner = x[..., 1:-1, 1:-1]
        rows = x[..., :-2] + x[..., 1:-1] + x[..., 2:]  # sums of three in a row
        around = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]
        rest = (inner - (around + 4 * inner) / 13).flatten(1, -3)  # what the smoothed image lacks
        rest = F.pad(rest, (1, 1, 1, 1)).reshape(x.shape)
        return x + per_sample(self.amount * draw[0], x) * rest
