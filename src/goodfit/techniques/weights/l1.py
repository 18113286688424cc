"""L1: the lasso penalty, with exact zeros."""

from __future__ import annotations

from typing import ClassVar, Self

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import ProximalPenalty, selector, soft_threshold
from goodfit.technique import knob


class L1(ProximalPenalty):
    """Adds the penalty λ Σ|w| to the loss and sets small weights to exactly zero.

    Formula: cost = loss + l1 · Σ|w|; after each optimizer step w ← sign(w) · max(|w| − l1 · step, 0), where `step` is
    the optimizer's own step size for that weight (for Adam: learning rate / (√v̂ + ε)), so that the solution is the
    lasso's with any optimizer. For more than 100,000 weights and Adam, `fit` applies eight of these steps at once, and
    the remaining ones at the end of each epoch.

    Shape: any weight tensor. Shape and dtype do not change.

    Helps when: many inputs or units are useless, or a small model is desired (zeros can be removed).
    Hurts when: many weak inputs carry the signal together; L2 keeps them, L1 drops all but a few.

    >>> L1(0.5).value(torch.tensor([[1.0, -2.0]]))
    tensor(1.5000)
    >>> L1(0.5).prox(torch.tensor([0.3, -2.0]), step=1.0)
    tensor([ 0.0000, -1.5000])
    """

    references = (
        Reference(
            authors=("R. Tibshirani",),
            title="Regression shrinkage and selection via the lasso",
            venue="JRSS B",
            volume="58",
            number="1",
            year=1996,
            url="https://doi.org/10.1111/j.2517-6161.1996.tb02080.x",
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
        doc="λ, weight of Σ|w| in the cost",
    )
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        return self.l1 * w.abs().sum()

    def prox(self, w: Tensor, step: Tensor | float) -> Tensor:
        return soft_threshold(w, step, self.l1)

    @classmethod
    def per_sample(cls, lam: float, m: int, on: str = "kernel") -> Self:
        """From the λ of a cost written as loss + λ/(2m) Σ|w|, with m training rows.

        >>> L1.per_sample(lam=0.7, m=211).l1 == 0.7 / 422
        True
        """
        return cls(lam / (2 * m), on=on)
