"""The OnWeights stage: penalties, decay and constraints on weights, in closed form.

Weight tensors arrive with one row per unit: (unit, incoming, …), whatever the layer. A unit is a row of a Linear or
recurrent weight, a filter of a convolution (also a transposed one), or a vector of an embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.stages.common import Draw, Scheduled
from goodfit.technique import Technique, knob


class OnWeights(Scheduled, ABC):
    """Base class of techniques that act on weight tensors without autograd. The knob `on` selects the tensors.

    Declare `on: str = selector()` and derive from `QuadraticPenalty`, `SmoothPenalty`, `ProximalPenalty`, `Decay`,
    `Scaling` or `Projection`. The methods run without gradients.
    """

    every: ClassVar[int] = 1
    """In large networks, the technique acts once for this many optimizer steps. It always acts at the end of an epoch,
    for all steps since it last acted."""
    needs_units: ClassVar[bool] = True
    """Whether tensors must arrive with one row per unit. False: they arrive in the layer's own layout, at no cost."""
    needs_matrix: ClassVar[bool] = False
    """Whether it needs tensors of two or more dimensions, which excludes biases."""


class Penalty(OnWeights, ABC):
    """Base class of penalties: terms that depend on the weights alone. Use one of its subclasses."""

    @abstractmethod
    def value(self, w: Tensor) -> Tensor:
        """The penalty of one tensor, a scalar in units of the loss. It is reported in the History."""


class QuadraticPenalty(Penalty, ABC):
    """Base class of penalties whose gradient is c · w. The optimizer applies them at no cost."""

    @abstractmethod
    def coefficient(self) -> float:
        """c, where the gradient is c · w."""


class SmoothPenalty(Penalty, ABC):
    """Base class of differentiable penalties. Their gradients are added to those of the data loss."""

    @abstractmethod
    def gradient(self, w: Tensor) -> Tensor:
        """∂value/∂w, of w's shape. w must not be overwritten."""


class ProximalPenalty(Penalty, ABC):
    """Base class of penalties with a kink, applied by their proximal map after the optimizer's step.

    Their weights become exactly 0.
    """

    @abstractmethod
    def prox(self, w: Tensor, step: Tensor | float) -> Tensor:
        """The proximal map: argmin over u of Σ ½ (u − w)² / step + penalty(u).

        Args:
            w: the weights after the optimizer's step. May be overwritten.
            step: the optimizer's effective step size, a number or a tensor of w's shape. May be overwritten.
        """


def soft_threshold(w: Tensor, step: Tensor | float, strength: float) -> Tensor:
    """sign(w) · max(|w| − strength · step, 0): the proximal map of strength · Σ|w|. Overwrites w and step.

    >>> soft_threshold(torch.tensor([0.3, -2.0]), 1.0, 0.5)
    tensor([ 0.0000, -1.5000])
    """
    # In place: allocating a temporary of the size of a large weight costs more than the arithmetic.
    if isinstance(step, Tensor):
        threshold = step.mul_(strength)
        clipped = torch.minimum(w, threshold)
        return w.sub_(torch.maximum(clipped, threshold.neg_()))
    return w.sub_(torch.clamp(w, -strength * step, strength * step))


class Decay(OnWeights, ABC):
    """Base class of decoupled weight decay: weights shrink independently of the gradient."""

    @abstractmethod
    def factor(self, learning_rate: float) -> float:
        """The factor on the weights, applied before the optimizer's step."""

    @abstractmethod
    def is_cautious(self) -> bool:
        """Whether a weight shrinks only in steps in which the optimizer shrinks it too."""


class Scaling(OnWeights, ABC):
    """Base class of constraints on norms: after every step, groups of weights are multiplied by a factor."""

    needs_matrix: ClassVar[bool] = True

    @abstractmethod
    def axes(self, ndim: int) -> tuple[int, ...]:
        """The dimensions of a weight tensor (unit, incoming, …) over which L2 norms are taken.

        Raises:
            InputError: a weight tensor of `ndim` dimensions does not have them.
        """

    @abstractmethod
    def scale(self, norm: Tensor) -> Tensor:
        """The factor of each group of weights.

        Args:
            norm: the L2 norms of the groups: w's shape, with 1 in place of the reduced `axes`.

        Returns:
            Factors of norm's shape, exactly 1 where the constraint holds.
        """

    def is_violated(self, norm: Tensor) -> bool:
        """Whether the factor of a group differs from 1; override it if that is seen faster from the norms."""
        return bool((self.scale(norm) != 1).any())


def axis_knob() -> Any:
    """Declare the knob `axis`: the dimension over which norms are computed; see `norm_axes`."""
    return knob(-1, low=-1, high=4, doc="dimension over which norms are computed; -1: all incoming weights of a unit")


def norm_axes(technique: Technique, axis: int, ndim: int) -> tuple[int, ...]:
    """The dimensions over which norms are computed, for a value of the knob `axis`.

    >>> from goodfit.techniques import MaxNorm
    >>> norm_axes(MaxNorm(), -1, ndim=4), norm_axes(MaxNorm(), 0, ndim=4)
    ((1, 2, 3), (0,))

    Raises:
        InputError: the tensor does not have this dimension.
    """
    if axis >= ndim:
        raise InputError(
            f"{type(technique).__name__}: axis must be at most {ndim - 1} for weights of {ndim} dimensions, got "
            f"axis={axis}; choose another axis, or other weights with on=."
        )
    return (axis,) if axis >= 0 else tuple(range(1, ndim))


class Projection(OnWeights, ABC):
    """Base class of constraints that project weights onto an allowed set after every step."""

    @abstractmethod
    def start(self, w: Tensor) -> Draw:
        """The state for one tensor before the first step: a tuple of tensors, empty if there is none."""

    @abstractmethod
    def project(self, w: Tensor, state: Draw) -> tuple[Tensor, Draw]:
        """Project the weights.

        Args:
            w: the weights after the optimizer's step. May be overwritten.
            state: what `start`, or this method in the step before, returned for this tensor.

        Returns:
            The allowed weights, of w's shape, and the next state.
        """
