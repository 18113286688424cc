"""Elastic net: L1 and L2 penalties combined."""

from __future__ import annotations

from typing import ClassVar, Self

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import ProximalPenalty, QuadraticPenalty, selector, soft_threshold
from goodfit.technique import knob


class ElasticNet(QuadraticPenalty, ProximalPenalty):
    """Adds the penalties λ₁ Σ|w| + λ₂ Σw² to the loss: exact zeros, with correlated inputs kept or dropped together.

    Formula: cost = loss + l1 · Σ|w| + l2 · Σw²; the quadratic part is applied through the gradient 2 · l2 · w, the
    absolute part through a proximal step after the optimizer's step (see `L1`). `ElasticNet.mix(strength, alpha)` takes
    the total strength and the fraction of L1: strength · (alpha · Σ|w| + (1 − alpha) · Σw²).

    Shape: any weight tensor.

    Helps when: there are many correlated inputs, some of them useless.
    Hurts when: all weights matter a little (use L2), or the strengths are too large (underfits).

    >>> ElasticNet(l1=0.5, l2=0.25).value(torch.tensor([[1.0, -2.0]]))
    tensor(2.7500)
    >>> ElasticNet.mix(strength=0.01, alpha=0.3)
    ElasticNet(l1=0.003, l2=0.006999999999999999, on='kernel')
    """

    references = (
        Reference(
            authors=("H. Zou", "T. Hastie"),
            title="Regularization and variable selection via the elastic net",
            venue="JRSS B",
            volume="67",
            number="2",
            year=2005,
            url="https://doi.org/10.1111/j.1467-9868.2005.00503.x",
        ),
    )
    every: ClassVar[int] = 8
    needs_units: ClassVar[bool] = False
    l1: float = knob(
        default=1e-5,
        low=0,
        search=(1e-6, 1e-2),
        log=True,
        neutral=0.0,
        unit="loss per |w|",
        doc="λ₁, weight of Σ|w| in the cost",
    )
    l2: float = knob(
        default=1e-4,
        low=0,
        search=(1e-6, 1e-1),
        log=True,
        neutral=0.0,
        unit="loss per w²",
        doc="λ₂, weight of Σw² in the cost",
    )
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        return self.l1 * w.abs().sum() + self.l2 * w.square().sum()

    def coefficient(self) -> float:
        return 2 * self.l2

    def prox(self, w: Tensor, step: Tensor | float) -> Tensor:
        return soft_threshold(w, step, self.l1)

    @classmethod
    def mix(cls, strength: float, alpha: float, on: str = "kernel") -> Self:
        """From a total strength and the fraction `alpha` of L1, in [0, 1]."""
        return cls(l1=strength * alpha, l2=strength * (1 - alpha), on=on)

    @classmethod
    def per_sample(cls, lam: float, m: int, alpha: float = 0.5, on: str = "kernel") -> Self:
        """From the λ of a cost written as loss + λ/(2m) (α Σ|w| + (1 − α) Σw²), with m training rows."""
        return cls.mix(lam / (2 * m), alpha, on=on)
