"""Sharpness: images become sharper or softer."""

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
    """Makes images sharper or softer by a random factor per sample.

    Formula: v ← s + (1 + amount · u)(v − s), u ~ U(−1, 1), for values v in [0, 1]. s is the mean of the pixel (weight
    5) and its eight neighbours (weight 1 each); border pixels do not change. The result is clipped to [0, 1].

    Shape: x (batch, channel, …, height, width), with sides of at least 3 pixels. Shape and dtype do not change.

    Helps when: focus and resolution differ between images.
    Hurts when: the class depends on fine texture.

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
        unit="fraction of the sharpness",
        doc="largest change in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        inner = x[..., 1:-1, 1:-1]
        rows = x[..., :-2] + x[..., 1:-1] + x[..., 2:]  # sums of three neighbours in a row
        around = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]
        detail = (inner - (around + 4 * inner) / 13).flatten(1, -3)  # the detail that smoothing removes
        detail = F.pad(detail, (1, 1, 1, 1)).reshape(x.shape)
        return x + per_sample(self.amount * draw[0], x) * detail
