"""Unit norm: weights into each unit have length 1."""

from __future__ import annotations

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Scaling, axis_knob, norm_axes, selector
from goodfit.technique import knob


class UnitNorm(Scaling):
    """Keeps the L2 norm of the weights into each unit at 1.

    Formula: after each step, w ← w · (1 − rate + rate / ‖w‖) for the incoming weights w of each unit; with rate = 1
    only their direction is learned. Weights that are all zero stay zero.

    Shape: any weight of two or more dimensions, units first; `axis` as in `MaxNorm`. Keras' `unit_norm(axis=0)` on its
    (in, out) kernels is our default.

    Helps when: the scale of the weights is redundant (before a normalization layer), or only angles matter
    (embeddings).
    Hurts when: the last layer needs large outputs, or a unit should fade away: exclude those with `on`.

    >>> UnitNorm().scale(torch.tensor([[4.0], [0.5], [0.0]])).flatten()
    tensor([0.2500, 2.0000, 1.0000])

    Differs from the paper: the length of each weight vector is 1, not learned.
    Differs from Keras: no 1e-7 is added to the norm; it is 1 up to rounding.
    """

    references = (
        Reference(
            authors=("T. Salimans", "D. P. Kingma"),
            title="Weight normalization: a simple reparameterization to accelerate training of deep neural networks",
            venue="NeurIPS",
            year=2016,
            url="https://arxiv.org/abs/1602.07868",
        ),
    )
    rate: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.1, 1.0),
        neutral=0.0,
        unit="fraction",
        doc="fraction of the distance to 1 that is corrected per step",
    )
    axis: int = axis_knob()
    on: str = selector()

    def axes(self, ndim: int) -> tuple[int, ...]:
        return norm_axes(self, self.axis, ndim)

    def scale(self, norm: Tensor) -> Tensor:
        unit = (1 / norm).nan_to_num(nan=1.0, posinf=1.0)  # a zero vector has no direction to grow in
        return (1 - self.rate) + self.rate * unit
