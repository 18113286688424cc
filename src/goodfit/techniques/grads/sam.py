"""SAM: sharpness-aware minimization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Draw, Gradient, OnGrads, Periodic
from goodfit.technique import knob


class SAM(OnGrads, Periodic):
    """Uses the gradient at the worst point near the weights, so that training finds flat minima of the loss.

    Formula: g ← ∇L(w + ε) with ε = rho · g / ‖g‖, where g = ∇L(w) and ‖g‖ is the L2 norm over all weights; this needs
    two passes over the same batch. With `adaptive`, the neighbourhood is proportional to the weights (ASAM):
    ε = rho · w² g / ‖w g‖.
    With `interval` = n, only every n-th step uses two passes. The reported loss is the one at w. Running statistics of
    batch norms come from the first pass; noise such as dropout is drawn again in the second pass. Penalties on weights
    are evaluated at w and added afterwards.

    Shape: one gradient per weight tensor, any shapes.

    Helps when: the network is large for the data, or labels are noisy.
    Hurts when: time is short (two passes per step; see `interval`), or rho is so large that the worst point is
    unrelated to the weights.

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
        doc="radius of the neighbourhood; with adaptive, use about ten times as much",
    )
    adaptive: bool = knob(default=False, doc="scale the neighbourhood with the weights (ASAM)")
    interval: int = knob(default=1, low=1, search=(1, 10), unit="steps", doc="use two passes only in every n-th step")

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
        """The worst point of the neighbourhood, to first order. Overwrites `grads`."""
        pairs = list(zip(grads, weights, strict=True))
        if self.adaptive:
            grads = [g.mul_(w) for g, w in pairs]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
        if self.adaptive:
            grads = [g.mul_(w) for g, w in pairs]
        scale = self.rho / (norm + 1e-12)
        # In place, because allocating memory of the network's size costs more than the arithmetic.
        return [g.mul_(scale).add_(w) for g, w in pairs]
