"""OnBatch: what a training batch looks like."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.stages.common import Draw, Scheduled


class OnBatch(Scheduled, ABC):
    """Changes x and y of a training batch; never sees any other data."""

    needs: ClassVar[str] = "any"
    """The targets it understands: `labels` (then y arrives as class probabilities (batch, class)), `numbers`, `any`."""
    inputs: ClassVar[str] = "any"
    """The inputs it understands: `floats`, or `any` (then also whole numbers, such as those of tokens)."""

    @abstractmethod
    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        """Everything random, for a batch x (batch, …), y (batch, class or outputs)."""


class Change(OnBatch, ABC):
    """Changes the batch before the network sees it."""

    @abstractmethod
    def batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """The batch to train on, of the same dtype and device. draw: what `draw` gave; inputs: what x is."""


class Attack(OnBatch, ABC):
    """Moves x against the network: it is told the slope of the data loss at x."""

    @abstractmethod
    def attack(self, x: Tensor, slope: Tensor, scale: Tensor, draw: Draw) -> Tensor:
        """The inputs to train on. slope: ∂loss/∂x, of x's shape; scale: spread of the training inputs, fit to x's."""


class HiddenMix(OnBatch, ABC):
    """Mixes the rows of a batch inside the network, at one layer per batch, and their targets alike."""

    @abstractmethod
    def targets(self, y: Tensor, draw: Draw) -> Tensor:
        """The targets to train on."""

    @abstractmethod
    def place(self, draw: Draw, layers: int) -> int:
        """The number of the layer whose input is mixed, out of `layers` (0: the network's own input)."""

    @abstractmethod
    def mix(self, x: Tensor, draw: Draw) -> Tensor:
        """The mixed input (batch, …) of that layer."""
