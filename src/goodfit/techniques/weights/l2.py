"""L2: the ridge penalty."""

from __future__ import annotations

from typing import ClassVar, Self

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import QuadraticPenalty, selector
from goodfit.technique import knob


class L2(QuadraticPenalty):
    """Adds the penalty λ Σw² to the loss; weights shrink, but do not become exactly zero.

    Formula: cost = loss + l2 · Σw², with gradient 2 · l2 · w (Keras' convention). torch's `weight_decay=c` in `SGD` and
    `Adam` adds c · w to the gradient, which is l2 = c / 2. With Adam and similar optimizers this differs from decoupled
    weight decay, which is `WeightDecay`.

    Shape: any weight tensor.

    Helps when: the network is large for its data, or there are many correlated inputs.
    Hurts when: it acts on weights before a batch norm, where it only changes the effective learning rate, or it is so
    strong that the network underfits.

    >>> L2(0.5).value(torch.tensor([[1.0, -2.0]])), L2(0.5).coefficient()
    (tensor(2.5000), 1.0)
    """

    references = (
        Reference(
            authors=("A. E. Hoerl", "R. W. Kennard"),
            title="Ridge regression: biased estimation for nonorthogonal problems",
            venue="Technometrics",
            volume="12",
            number="1",
            year=1970,
            url="https://doi.org/10.1080/00401706.1970.10488634",
        ),
    )
    needs_units: ClassVar[bool] = False
    l2: float = knob(
        default=1e-4,
        low=0,
        search=(1e-6, 1e-1),
        log=True,
        neutral=0.0,
        unit="loss per w²",
        doc="λ, weight of Σw² in the cost",
    )
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        return self.l2 * w.square().sum()

    def coefficient(self) -> float:
        return 2 * self.l2

    @classmethod
    def per_sample(cls, lam: float, m: int, on: str = "kernel") -> Self:
        """From the λ of a cost written as loss + λ/(2m) Σw², with m training rows.

        >>> L2.per_sample(lam=0.7, m=211).l2 == 0.7 / 422
        True
        """
        return cls(lam / (2 * m), on=on)

    @classmethod
    def from_weight_decay(cls, weight_decay: float, on: str = "kernel") -> Self:
        """From torch's `weight_decay`, for optimizers that add it to the gradient (SGD, Adam)."""
        return cls(weight_decay / 2, on=on)
