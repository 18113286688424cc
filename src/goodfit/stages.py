"""The eight places of a training step where a technique may act: one abstract class each.

Every method is a pure function: tensors and a generator in, tensors out. What is random is drawn by `draw` (from
the run's own generator) and used by the method beside it, so that the same drawing serves one network or many.
Knob values may be tensors inside these methods (a population's members differ in strength): no branching on them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from goodfit.technique import Technique, knob

Draw = tuple[Tensor, ...]
Gradient = Callable[[Sequence[Tensor]], tuple[Tensor, list[Tensor]]]
"""Weights in; the batch's loss (scalar) and one gradient per weight out."""

SELECTOR = (
    "which tensors or layers: kinds (kernel, bias, norm), module types (Linear), or globs on names (encoder.*), "
    "separated by blanks"
)


def selector(default: str = "kernel") -> Any:
    """The knob by which a technique's tensors or layers are chosen; see `goodfit.surgery.select`."""
    return knob(default, doc=SELECTOR)


class OnSample(Technique, ABC):
    """Chooses which training rows an epoch draws."""

    @abstractmethod
    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Row numbers of one epoch (n',), from the targets y (n, …) and the rows (n,) drawn so far."""


class OnBatch(Technique, ABC):
    """Changes x and y of a training batch; never sees any other data."""

    needs: ClassVar[str] = "any"
    """The targets it understands: `labels` (then y arrives as class probabilities (batch, class)) or `any`."""

    @abstractmethod
    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        """Everything random that `batch` uses, for a batch x (batch, …), y (batch, class or outputs)."""

    @abstractmethod
    def batch(self, x: Tensor, y: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """The batch to train on, of the same dtype and device."""


class OnModel(Technique, ABC):
    """Acts inside the network's forward pass, at layers chosen by its selector `on`."""

    if TYPE_CHECKING:  # every technique here declares `on: str = selector()`

        @property
        def on(self) -> str: ...  # noqa: D102


class Noise(OnModel, ABC):
    """Perturbs what flows into a layer, in training only."""

    @abstractmethod
    def at(self, first: bool) -> Noise | None:
        """The technique as it acts on one layer's input (`first`: on the network's own input), or none."""

    @abstractmethod
    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        """The noise for activations of the shape, dtype and device of x (batch, …)."""

    @abstractmethod
    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        """The perturbed activations, of x's shape and dtype."""


class Normalisation(OnModel, ABC):
    """Puts a layer with weights of its own behind chosen layers."""

    @abstractmethod
    def layer(self, features: int, spatial: int) -> nn.Module:
        """The layer to insert, for an output of `features` channels and `spatial` further dimensions."""


@dataclass(frozen=True)
class Forward:
    """What a term of the loss may look at: the batch, the network's output, and the network itself."""

    network: Callable[[Tensor], Tensor]
    x: Tensor  # (batch, …)
    y: Tensor  # (batch,) or (batch, class or outputs)
    output: Tensor  # (batch, class or outputs)


class OnLoss(Technique, ABC):
    """Adds a term that needs the forward pass."""

    @abstractmethod
    def term(self, forward: Forward, generator: torch.Generator) -> Tensor:
        """The term to add to the data loss: a differentiable scalar."""


class OnGrads(Technique, ABC):
    """Wraps the gradient function of the data loss."""

    @abstractmethod
    def wrap(self, gradient: Gradient, generator: torch.Generator) -> Gradient:
        """A gradient function that uses the given one."""


class OnWeights(Technique, ABC):
    """Acts on weight tensors in closed form, without autograd; `on` chooses the tensors."""

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


class Proximal(Penalty, ABC):
    """A penalty with a kink, applied after the optimizer's step by its proximal map; gives exact zeros."""

    @abstractmethod
    def prox(self, w: Tensor, step: Tensor | float) -> Tensor:
        """argmin over u of ½‖u − w‖² / step + penalty(u); `step` is the optimizer's step size per weight."""


class Decay(OnWeights, ABC):
    """Shrinks weights beside the optimizer's step."""

    @abstractmethod
    def factor(self, learning_rate: float) -> float:
        """What the weights are multiplied with before the step."""

    @abstractmethod
    def agrees_only(self) -> bool:
        """Whether it shrinks a weight only where the optimizer's step shrinks it too."""


class Projection(OnWeights, ABC):
    """Puts the weights back into an allowed set after every step."""

    @abstractmethod
    def axes(self, unit: int, ndim: int) -> tuple[int, ...]:
        """The dimensions of a weight tensor to take norms over; `unit` is the one that counts its units."""

    @abstractmethod
    def scale(self, norm: Tensor) -> Tensor:
        """The factor of each group of weights, from their L2 norms (1 where `axes` were reduced)."""


class OnEval(Technique, ABC):
    """Keeps other weights for evaluation than the ones being trained."""

    @abstractmethod
    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The state before the first step, one tensor per weight."""

    @abstractmethod
    def update(self, state: list[Tensor], weights: Sequence[Tensor], step: int, steps_per_epoch: int) -> list[Tensor]:
        """The state after optimizer step number `step` (from 1); the tensors of `state` may be reused."""

    @abstractmethod
    def weights(self, state: list[Tensor]) -> list[Tensor]:
        """The weights to evaluate and keep."""


State = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """What an OnEpoch technique says at the end of an epoch."""

    stop: bool
    reason: str = ""


@dataclass(frozen=True)
class Watch:
    """How the best epoch is told: a column of the History, its direction, and the first epoch that may count."""

    monitor: str = "stop_loss"
    mode: str = "min"
    start_from_epoch: int = 0
    restore: bool = False

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value beats the best so far; one that is not finite never does.

        >>> Watch(mode="max").better(-0.1, -0.2), Watch().better(0.3, None), Watch().better(float("nan"), None)
        (True, True, False)
        """
        if not math.isfinite(value):
            return False
        return best is None or (value < best if self.mode == "min" else value > best)


class OnEpoch(Technique, ABC):
    """Decides whether training goes on. Its state is plain data, so that a resumed run goes on equally."""

    @abstractmethod
    def watch(self) -> Watch:
        """Which epoch counts as the best, and whether its weights are the ones to keep."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first epoch, plain JSON data."""

    @abstractmethod
    def observe(self, state: State, epoch: int, metrics: Mapping[str, float]) -> tuple[State, Decision]:
        """The next state and the decision after `epoch` (from 1), from that epoch's row of the History."""
