"""The OnModel stage: changes inside the network's forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from goodfit.ops.dropout import random_bits
from goodfit.stages.common import Draw, Scheduled
from goodfit.technique import Technique


class OnModel(Technique, ABC):
    """Base class of techniques that act inside the forward pass. The knob `on` selects the layers or tensors.

    Declare `on: str = selector()`. The network's own modules stay as they are: techniques act through hooks, which
    `detach` removes.
    """


class Noise(Scheduled, OnModel, ABC):
    """Base class of techniques that perturb the input of selected layers during training, such as dropout."""

    convolutions_only: ClassVar[bool] = False
    """Whether it acts on the inputs (batch, channel, space…) of convolutions only."""

    @abstractmethod
    def for_layer(self, first: bool) -> Self | None:
        """The technique with the strength that it has at one layer, or None where it does not act.

        Args:
            first: whether the layer's input is the network's own input.
        """

    @abstractmethod
    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Draw the noise for one pass.

        Args:
            x: the layer's input (batch, …). Use only its shape, dtype and device.
            generator: the only permitted source of random numbers.
        """

    @abstractmethod
    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        """The perturbed input, of x's shape and dtype; differentiable in x."""


class InputNoise(Noise, ABC):
    """Base class of noises with a separate strength `input_NAME` for the network's input, in addition to NAME."""

    def for_layer(self, first: bool) -> Self | None:
        """With the strength `input_NAME` on the network's input, or None where it is 0; unchanged elsewhere."""
        if not first:
            return self
        name = str(self.main_knob())
        strength = getattr(self, f"input_{name}")
        return self.with_values(**{name: strength}) if strength else None


class BitNoise(ABC):
    """Mixin for noises that draw nothing but dropout bits. A population draws the bits of many steps at once."""

    @abstractmethod
    def bits_shape(self, x: Tensor) -> Sequence[int]:
        """The shape of the bits to draw for a tensor like x."""

    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Draw 16 random bits for each entry of `bits_shape`; see `goodfit.ops.dropout.random_bits`."""
        return (random_bits(self.bits_shape(x), x.device, generator),)


class BranchNoise(Scheduled, OnModel, ABC):
    """Base class of techniques that perturb the output of residual branches during training, such as drop path."""

    @abstractmethod
    def branch(self, depth: float) -> Self:
        """The technique with the strength that it has at one branch.

        Args:
            depth: in (0, 1]; branch l of L has the depth l / L.
        """

    @abstractmethod
    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Draw the noise for one pass; x is the branch's output (batch, …), of which only shape and type matter."""

    @abstractmethod
    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        """The perturbed output, of x's shape and dtype; it is then added to the shortcut."""


class WeightPerturbation(Scheduled, OnModel, ABC):
    """Base class of techniques that perturb weights for one forward pass during training. `on` selects the tensors."""

    @abstractmethod
    def draw(self, w: Tensor, generator: torch.Generator) -> Draw:
        """Draw the noise for one pass; w is the weight tensor in the layer's own layout."""

    @abstractmethod
    def perturb(self, w: Tensor, draw: Draw) -> Tensor:
        """The weights to compute with, of w's shape and dtype; differentiable in w. w must not be overwritten."""


class Recurrent(Scheduled, OnModel, ABC):
    """Base class of techniques that act at every time step inside recurrent layers (RNN, LSTM, GRU)."""

    acts_in_eval: ClassVar[bool] = False
    """Whether evaluation uses `expected_state` instead of the plain recurrence."""

    @abstractmethod
    def draw(self, x: Tensor, h: Tensor, generator: torch.Generator) -> Draw:
        """Draw everything random for one sequence.

        Args:
            x: the layer's input (time, batch, feature). Use only its shape, dtype and device.
            h: a tensor like the hidden state (batch, hidden).
            generator: the only permitted source of random numbers.
        """

    @abstractmethod
    def transform_input(self, x: Tensor, draw: Draw) -> Tensor:
        """The sequence (time, batch, feature) that the layer reads; x unchanged if the technique leaves it alone."""

    @abstractmethod
    def transform_hidden(self, h: Tensor, draw: Draw) -> Tensor:
        """The hidden state (batch, hidden) that enters the recurrent product of the next time step."""

    @abstractmethod
    def next_state(self, new: Tensor, old: Tensor, cell: bool, time: int, draw: Draw) -> Tensor:
        """The state after a time step.

        Args:
            new: the state (batch, hidden) that the layer computed.
            old: the state before the time step.
            cell: whether it is the cell state of an LSTM; otherwise it is the hidden state.
            time: the index of the time step.
            draw: what `draw` returned for this sequence.
        """

    @abstractmethod
    def expected_state(self, new: Tensor, old: Tensor, cell: bool) -> Tensor:
        """The expectation of `next_state` over the draw, used in evaluation if `acts_in_eval`."""


class Normalization(OnModel, ABC):
    """Base class of techniques that insert a normalization layer after each selected layer."""

    @abstractmethod
    def layer(self, features: int, spatial: int) -> nn.Module:
        """Make the layer to insert.

        Args:
            features: channels of the selected layer's output.
            spatial: dimensions of that output in addition to batch and channels: 0 after a Linear, 2 after a Conv2d.
        """
