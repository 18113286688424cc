"""Noise on the gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Draw, Gradient, OnGrads
from goodfit.technique import knob


class GradientNoise(OnGrads):
    """Adds normal noise to every number of the gradient, less and less of it as training goes on.

    Formula: g ← g + σ z, z ~ N(0, 1), σ² = eta / (1 + t)^gamma, where t counts the optimizer steps that lie behind.

    Shape: one gradient per weight, any shapes.

    Helps when: a deep network is hard to start, or gets stuck early; large batches, whose gradient has little noise.
    Hurts when: eta is above the squared gradient for long: then training is a random walk.

    >>> noise = GradientNoise(eta=1.0, gamma=0.5)
    >>> g = noise.wrap(lambda w: (torch.tensor(0.0), [torch.zeros(2)]), (torch.ones(2),), Clock(16, 100, 100))
    >>> g([])[1]
    [tensor([0.5000, 0.5000])]
    """

    references = (
        Reference(
            authors=("A. Neelakantan", "et al."),
            title="Adding gradient noise improves learning for very deep networks",
            venue="arXiv",
            year=2015,
            url="https://arxiv.org/abs/1511.06807",
        ),
    )
    eta: float = knob(
        default=0.01,
        low=0,
        search=(0.001, 1.0),
        log=True,
        neutral=0.0,
        unit="variance, of the gradient squared",
        doc="variance of the noise at the first step",
    )
    gamma: float = knob(
        default=0.55, low=0, search=(0.3, 1.0), unit="power of the step's number", doc="how fast the variance falls"
    )

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return tuple(torch.randn(w.shape, generator=generator, dtype=w.dtype, device=w.device) for w in weights)

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        stddev = (self.eta / clock.step**self.gamma) ** 0.5  # 1 + t is the number of the step at hand

        def noisy(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            return loss, [g + stddev * z for g, z in zip(grads, draw, strict=True)]

        return noisy
