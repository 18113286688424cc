"""Non-negative weights."""

from __future__ import annotations

from typing import ClassVar

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, Projection, selector
from goodfit.technique import knob


class NonNeg(Projection):
    """Keeps weights at or above zero.

    Formula: after each step, w ← w − rate · min(w, 0); with rate = 1, w ← max(w, 0).

    Shape: any weight tensor.

    Helps when: every input can only add to a unit (counts, intensities, mixtures of parts), or the output must not
    decrease when an input increases (all layers, with activation functions that never decrease).
    Hurts when: inputs have opposite effects, as in most networks.

    >>> NonNeg().project(torch.tensor([[0.5, -2.0]]), ())[0]
    tensor([[0.5000, 0.0000]])
    """

    references = (
        Reference(
            authors=("J. Chorowski", "J. M. Zurada"),
            title="Learning understandable neural networks with nonnegative weight constraints",
            venue="IEEE Transactions on Neural Networks and Learning Systems",
            volume="26",
            number="1",
            year=2015,
            url="https://doi.org/10.1109/TNNLS.2014.2310059",
        ),
    )
    needs_units: ClassVar[bool] = False
    rate: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.1, 1.0),
        neutral=0.0,
        unit="fraction",
        doc="fraction of the distance to zero that is corrected per step",
    )
    on: str = selector()

    def start(self, w: Tensor) -> Draw:
        return ()

    def project(self, w: Tensor, state: Draw) -> tuple[Tensor, Draw]:
        return w.sub_(w.clamp(max=0).mul_(self.rate)), ()
