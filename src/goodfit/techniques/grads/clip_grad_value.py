"""Gradient clipping by value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Draw, Gradient, OnGrads
from goodfit.technique import knob


class ClipGradValue(OnGrads):
    """Clips each element of the gradient to an interval (`ClipGradNorm` scales the whole gradient instead).

    Formula: g ← min(max(g, −clip_value), clip_value) elementwise, as in torch's `clip_grad_value_`. g is the gradient
    of the data loss; closed-form penalties are added after clipping.

    Shape: one gradient per weight tensor, any shapes.

    Helps when: a few weights occasionally have very large gradients (recurrent networks, rare words).
    Hurts when: the bound is close to the usual size of the gradient; it then changes the direction of the step.

    >>> g = ClipGradValue(0.5).wrap(lambda w: (torch.tensor(0.0), [torch.tensor([3.0, -0.25])]), (), Clock(1, 1, 1))
    >>> g([])[1]
    [tensor([ 0.5000, -0.2500])]

    Differs from the paper: it clips the gradient of the weights, not the derivatives that flow back between layers.
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
        unit="units of the gradient",
        doc="largest absolute value of an element of the gradient",
    )

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def clipped(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            return loss, [g.clamp(-self.clip_value, self.clip_value) for g in grads]

        return clipped
