"""Gradient noise: Gaussian noise on the gradient that decays during training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Draw, Gradient, OnGrads
from goodfit.technique import knob


class GradientNoise(OnGrads):
    """Adds Gaussian noise to every element of the gradient, with a variance that decays during training.

    Formula: g ← g + σ z, z ~ N(0, 1), σ² = eta / (1 + t)^gamma, where t is the number of completed optimizer steps.

    Shape: one gradient per weight tensor, any shapes.

    Helps when: a deep network is hard to train at the start or gets stuck early, or batches are large (their gradients
    have little noise).
    Hurts when: eta exceeds the squared gradient for long; training is then a random walk.

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
        unit="squared units of the gradient",
        doc="variance of the noise at the first step",
    )
    gamma: float = knob(default=0.55, low=0, search=(0.3, 1.0), unit="exponent", doc="how fast the variance falls")

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return tuple(torch.randn(w.shape, generator=generator, dtype=w.dtype, device=w.device) for w in weights)

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        stddev = (self.eta / clock.step**self.gamma) ** 0.5  # clock.step is 1 + t

        def noisy(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            return loss, [g + stddev * z for g, z in zip(grads, draw, strict=True)]

        return noisy
