"""Sharpness-aware minimisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Draw, Gradient, OnGrads, Periodic
from goodfit.technique import knob


class SAM(OnGrads, Periodic):
    """Steps along the gradient of the worst point near the weights, so that training ends where the loss is flat.

    Formula: g ← ∇L(w + ε), ε = rho · g / ‖g‖, ‖g‖ the L2 norm over all weights: two passes over the same batch. With
    `adaptive` the neighbourhood is in proportion to the weights: ε = rho · w² g / ‖w g‖ (ASAM). With an `interval` of n
    every n-th step has two passes and the others are plain. The loss that is reported is the one at w. Running
    statistics of batch norms come from the first pass; noise, such as dropout, is drawn anew in the second. Penalties
    on weights are added behind it, at w.

    Shape: one gradient per weight, any shapes.

    Helps when: the network is large for the data; labels are noisy. It costs a second pass.
    Hurts when: time is short (see `interval`), or rho is so large that the worst point says nothing about the weights.

    >>> quadratic = lambda w: ((w[0] ** 2).sum() / 2, [w[0].clone()])
    >>> loss, grads = SAM(0.5).wrap(quadratic, (), Clock(1, 1, 1))([torch.tensor([3.0, 4.0])])
    >>> loss, grads
    (tensor(12.5000), [tensor([3.3000, 4.4000])])

    Differs from the paper: ASAM's constant η, added to |w|, is 0; biases are scaled like all other weights.
    """

    references = (
        Reference(
            authors=("P. Foret", "A. Kleiner", "H. Mobahi", "B. Neyshabur"),
            title="Sharpness-aware minimization for efficiently improving generalization",
            venue="ICLR",
            year=2021,
            url="https://arxiv.org/abs/2010.01412",
        ),
        Reference(
            authors=("J. Kwon", "J. Kim", "H. Park", "I. K. Choi"),
            title="ASAM: adaptive sharpness-aware minimization for scale-invariant learning of deep neural networks",
            venue="ICML",
            year=2021,
            url="https://arxiv.org/abs/2102.11600",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    rho: float = knob(
        default=0.05,
        low=0,
        search=(0.01, 0.5),
        log=True,
        neutral=0.0,
        unit="L2 norm",
        doc="radius of the neighbourhood; ten times as large where it is adaptive",
    )
    adaptive: bool = knob(default=False, doc="whether the neighbourhood is in proportion to the weights (ASAM)")
    interval: int = knob(default=1, low=1, search=(1, 10), unit="steps", doc="every how many steps it acts")

    def acts(self, clock: Clock) -> bool:
        return clock.step % self.interval == 0

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def sharp(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            return loss, gradient(self._worst([w.detach() for w in weights], grads))[1]

        return sharp

    def _worst(self, weights: Sequence[Tensor], grads: Sequence[Tensor]) -> list[Tensor]:
        """The worst point of the neighbourhood, to first order; overwrites `grads`."""
        pairs = list(zip(grads, weights, strict=True))
        if self.adaptive:
            grads = [g.mul_(w) for g, w in pairs]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
        if self.adaptive:
            grads = [g.mul_(w) for g, w in pairs]
        scale = self.rho / (norm + 1e-12)
        # Within the gradient's own memory: fresh memory of the size of the network costs more than the arithmetic.
        return [g.mul_(scale).add_(w) for g, w in pairs]
