"""Gradient clipping by norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Draw, Gradient, OnGrads
from goodfit.technique import knob


class ClipGradNorm(OnGrads):
    """Scales the gradient down when its norm exceeds a bound (`MaxNorm` bounds the weights instead).

    Formula: g ← g · min(1, max_norm / (‖g‖ + 1e-6)), where ‖g‖ is the L2 norm over all weights, as in torch's
    `clip_grad_norm_`. g is the gradient of the data loss; closed-form penalties are added after clipping, like torch's
    `weight_decay`.

    Shape: one gradient per weight tensor, any shapes.

    Helps when: single batches make the loss jump (recurrent networks, heavy-tailed data, high learning rates).
    Hurts when: the bound is far below the usual norm; it then only lowers the learning rate (less so with Adam).

    >>> g = ClipGradNorm(1.0).wrap(lambda w: (torch.tensor(0.0), [torch.tensor([3.0, 4.0])]), (), Clock(1, 1, 1))
    >>> g([])[1]
    [tensor([0.6000, 0.8000])]
    """

    references = (
        Reference(
            authors=("R. Pascanu", "T. Mikolov", "Y. Bengio"),
            title="On the difficulty of training recurrent neural networks",
            venue="ICML",
            year=2013,
            url="https://arxiv.org/abs/1211.5063",
        ),
    )
    max_norm: float = knob(
        default=1.0,
        low=0,
        open_left=True,
        search=(0.1, 10.0),
        log=True,
        neutral=float("inf"),
        unit="L2 norm",
        doc="largest norm of the gradient",
    )

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def clipped(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
            factor = (self.max_norm / (norm + 1e-6)).clamp(max=1.0)
            return loss, [g.mul_(factor) for g in grads]

        return clipped
