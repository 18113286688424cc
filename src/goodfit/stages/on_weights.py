"""OnWeights: closed forms on weight tensors, without autograd.

Tensors arrive with their units first: (units, incoming, …), whatever the layer (a row of a Linear or recurrent
weight, a filter of a convolution, also a transposed one, a vector of an embedding).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from goodfit.stages.common import Draw, Scheduled


class OnWeights(Scheduled, ABC):
    """Acts on weight tensors in closed form, without autograd; `on` chooses the tensors."""

    every: ClassVar[int] = 1
    """In large networks: for how many optimizer steps it acts at once. At an epoch's end nothing is left waiting."""
    by_unit: ClassVar[bool] = True
    """Whether it asks which weights belong to a unit; one that does not gets tensors as they are held."""
    matrices: ClassVar[bool] = False
    """Whether it needs tensors of two or more dimensions (biases have none that come in)."""
    if TYPE_CHECKING:  # every technique here declares `on: str = selector()`

        @property
        def on(self) -> str: ...  # noqa: D102


class Penalty(OnWeights, ABC):
    """A term of the cost that depends on the weights alone."""

    @abstractmethod
    def value(self, w: Tensor) -> Tensor:
        """The term for one tensor, a scalar, in units of the loss."""


class Quadratic(Penalty, ABC):
    """A penalty whose gradient is a multiple of the weights; optimizers apply it at no cost."""

    @abstractmethod
    def coefficient(self) -> float:
        """c, where the gradient is c·w."""


class Smooth(Penalty, ABC):
    """A penalty that is added to the data loss by its gradient."""

    @abstractmethod
    def gradient(self, w: Tensor) -> Tensor:
        """∂value/∂w, of w's shape."""


class Proximal(Penalty, ABC):
    """A penalty with a kink, applied after the optimizer's step by its proximal map; gives exact zeros."""

    @abstractmethod
    def prox(self, w: Tensor, step: Tensor | float) -> Tensor:
        """argmin over u of Σ ½ (u − w)² / step + penalty(u); `step` is the optimizer's step size, per weight.

        Both w and step may be overwritten.
        """


def soft_threshold(w: Tensor, step: Tensor | float, strength: float) -> Tensor:
    """sign(w) · max(|w| − strength · step, 0): the proximal map of strength · Σ|w|. Overwrites w and step.

    >>> soft_threshold(torch.tensor([0.3, -2.0]), 1.0, 0.5)
    tensor([ 0.0000, -1.5000])
    """
    # In place, because a temporary of the size of a large weight costs more than the arithmetic on it.
    if isinstance(step, Tensor):
        threshold = step.mul_(strength)
        kept = torch.minimum(w, threshold)
        return w.sub_(torch.maximum(kept, threshold.neg_()))
    return w.sub_(torch.clamp(w, -strength * step, strength * step))


class Decay(OnWeights, ABC):
    """Shrinks weights beside the optimizer's step."""

    @abstractmethod
    def factor(self, learning_rate: float) -> float:
        """What the weights are multiplied with before the step."""

    @abstractmethod
    def agrees_only(self) -> bool:
        """Whether it shrinks a weight only where the optimizer's step shrinks it too."""


class Scaling(OnWeights, ABC):
    """Scales groups of weights after every step, by their norms."""

    matrices: ClassVar[bool] = True

    @abstractmethod
    def axes(self, ndim: int) -> tuple[int, ...]:
        """The dimensions of a weight tensor (units, incoming, …) to take L2 norms over."""

    @abstractmethod
    def scale(self, norm: Tensor) -> Tensor:
        """The factor of each group of weights, from their norms (1 where `axes` were reduced)."""


class Projection(OnWeights, ABC):
    """Puts the weights back into an allowed set after every step."""

    @abstractmethod
    def start(self, w: Tensor) -> Draw:
        """What is carried from step to step for one tensor; empty where nothing is."""

    @abstractmethod
    def project(self, w: Tensor, state: Draw) -> tuple[Tensor, Draw]:
        """The allowed weights, and what is carried on. w may be overwritten."""
