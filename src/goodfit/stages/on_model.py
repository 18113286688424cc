"""OnModel: what happens inside the network's forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor, nn

from goodfit.stages.common import Draw, Scheduled
from goodfit.technique import Technique


class OnModel(Technique, ABC):
    """Acts inside the network's forward pass, at places chosen by its selector `on`."""

    if TYPE_CHECKING:  # every technique here declares `on: str = selector()`

        @property
        def on(self) -> str: ...  # noqa: D102


class Noise(Scheduled, OnModel, ABC):
    """Perturbs what flows into a layer, in training only."""

    inputs: ClassVar[str] = "any"
    """What it can act on: `maps` (the inputs (batch, channel, space…) of convolutions) or `any` activations."""

    @abstractmethod
    def before(self, first: bool) -> Self | None:
        """The technique as it acts on one layer's input (`first`: on the network's own input), or none."""

    @abstractmethod
    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        """The noise for activations of the shape, dtype and device of x (batch, …)."""

    @abstractmethod
    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        """The perturbed activations, of x's shape and dtype."""


class InputNoise(Noise, ABC):
    """A noise with a strength of its own on the network's input: `input_NAME` beside its main knob NAME."""

    def before(self, first: bool) -> Self | None:
        """With `input_NAME` on the network's own input (none where that is 0), as it is elsewhere."""
        if not first:
            return self
        name = str(self.main_knob())
        strength = getattr(self, f"input_{name}")
        return self.with_values(**{name: strength}) if strength else None


class BranchNoise(Scheduled, OnModel, ABC):
    """Perturbs what a residual branch adds to its shortcut, in training only."""

    @abstractmethod
    def branch(self, depth: float) -> Self:
        """The technique as it acts on a branch at a depth in (0, 1]: branch l of L is at l / L, the last one at 1."""

    @abstractmethod
    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        """The noise for a branch's output x (batch, …)."""

    @abstractmethod
    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        """The perturbed output, of x's shape and dtype."""


class WeightPerturbation(Scheduled, OnModel, ABC):
    """Perturbs weights for the length of one forward pass, in training only; `on` chooses the tensors."""

    @abstractmethod
    def draw(self, w: Tensor, generator: torch.Generator) -> Draw:
        """The noise for a weight tensor w, as the layer holds it."""

    @abstractmethod
    def perturb(self, w: Tensor, draw: Draw) -> Tensor:
        """The weights to compute with, of w's shape and dtype; differentiable in w."""


class Recurrent(Scheduled, OnModel, ABC):
    """Acts at every time step inside a recurrent layer (RNN, LSTM, GRU)."""

    in_evaluation: ClassVar[bool] = False
    """Whether evaluation uses `expected` in place of the plain recurrence."""

    @abstractmethod
    def draw(self, x: Tensor, h: Tensor, generator: torch.Generator) -> Draw:
        """Everything random of one sequence x (time, batch, features), for states like h (batch, hidden)."""

    @abstractmethod
    def inputs(self, x: Tensor, draw: Draw) -> Tensor:
        """The sequence that the layer sees (time, batch, features)."""

    @abstractmethod
    def hidden(self, h: Tensor, draw: Draw) -> Tensor:
        """The hidden state as it enters the recurrent product (batch, hidden)."""

    @abstractmethod
    def state(self, new: Tensor, old: Tensor, cell: bool, time: int, draw: Draw) -> Tensor:
        """The state after a time step (batch, hidden); `cell`: it is an LSTM's cell state."""

    @abstractmethod
    def expected(self, new: Tensor, old: Tensor, cell: bool) -> Tensor:
        """The state after a time step in evaluation."""


class Normalisation(OnModel, ABC):
    """Puts a layer with weights of its own behind chosen layers."""

    @abstractmethod
    def layer(self, features: int, spatial: int) -> nn.Module:
        """The layer to insert, for an output of `features` channels and `spatial` further dimensions."""
