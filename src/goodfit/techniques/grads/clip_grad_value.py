"""Gradient clipping, number by number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Draw, Gradient, OnGrads
from goodfit.technique import knob


class ClipGradValue(OnGrads):
    """Cuts each number of the gradient off at a bound (ClipGradNorm scales the whole gradient instead).

    Formula: g ← min(max(g, −clip_value), clip_value), number by number: torch's `clip_grad_value_`. The gradient is
    that of the data loss; closed-form penalties are added behind it.

    Shape: one gradient per weight, any shapes.

    Helps when: a few weights get huge gradients now and then (recurrent networks, rare words).
    Hurts when: the bound is near the usual size of the gradient: the direction of the step is then no longer its own.

    >>> g = ClipGradValue(0.5).wrap(lambda w: (torch.tensor(0.0), [torch.tensor([3.0, -0.25])]), (), Clock(1, 1, 1))
    >>> g([])[1]
    [tensor([ 0.5000, -0.2500])]

    Differs from the paper: it acts on the gradient of the weights, not on derivatives that flow back between layers.
    """

    references = (
        Reference(
            authors=("A. Graves",),
            title="Generating sequences with recurrent neural networks",
            venue="arXiv",
            year=2013,
            url="https://arxiv.org/abs/1308.0850",
        ),
    )
    clip_value: float = knob(
        default=0.5,
        low=0,
        open_left=True,
        search=(0.01, 1.0),
        log=True,
        neutral=float("inf"),
        unit="of the gradient",
        doc="the bound on each number of the gradient",
    )

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def clipped(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            return loss, [g.clamp(-self.clip_value, self.clip_value) for g in grads]

        return clipped
