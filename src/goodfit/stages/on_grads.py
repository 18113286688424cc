"""OnGrads: what becomes of the gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from goodfit.stages.common import Clock, Draw, Scheduled

Gradient = Callable[[Sequence[Tensor]], tuple[Tensor, list[Tensor]]]
"""Weights in; the batch's loss (scalar) and one gradient per weight out."""


class OnGrads(Scheduled, ABC):
    """Wraps the gradient function of the data loss."""

    def acts(self, clock: Clock) -> bool:
        """Whether it does anything in this step; `draw` and `wrap` are called only then."""
        return True

    @abstractmethod
    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        """Everything random."""

    @abstractmethod
    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        """A gradient function that uses the given one; the gradients that it returns may be overwritten.

        The clock's numbers may be tensors: they are to compute with, not to branch on (that is for `acts`).
        """
