"""The OnBatch stage: changes to a training batch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.stages.common import Draw, Scheduled


class OnBatch(Scheduled, ABC):
    """Base class of techniques that change the inputs and targets of a training batch.

    Derive from `BatchTransform`, `Attack`, `HiddenMix`, or from one of the augmentation classes in
    `goodfit.stages.augmentation`. These techniques never see validation or test data.

    Targets arrive as class probabilities (batch, class) where the target has classes, and as numbers (batch, output)
    otherwise. Masks arrive as probabilities (batch, class, height, width).
    """

    @abstractmethod
    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        """Draw everything random for one batch.

        Args:
            x: inputs (batch, …). Use only their shape, dtype and device.
            y: targets (batch, class or output).
            generator: the only permitted source of random numbers.

        Returns:
            A tuple of tensors on the device of x; empty if nothing is random.
        """


class BatchTransform(OnBatch, ABC):
    """Base class of techniques that change a batch before the forward pass, such as MixUp or label smoothing."""

    @abstractmethod
    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Transform a batch.

        Args:
            x: inputs (batch, …).
            y: targets (batch, class or output).
            draw: what `draw` returned for this batch.
            inputs: what the inputs are: their data kind, value range and categorical columns.

        Returns:
            The inputs and targets to train on, of the same shapes, dtypes and device. x and y must not be overwritten.
        """


class Attack(OnBatch, ABC):
    """Base class of techniques that train on adversarial inputs. They cost one more forward and backward pass."""

    @abstractmethod
    def attack(self, x: Tensor, input_gradient: Tensor, scale: Tensor, draw: Draw) -> Tensor:
        """Perturb the inputs so that the data loss rises.

        Args:
            x: inputs (batch, …).
            input_gradient: ∂loss/∂x of the data loss, of x's shape, computed without the recipe's noise.
            scale: the standard deviation of the training inputs, in a shape that broadcasts against x: per column of a
                table, one number otherwise.
            draw: what `draw` returned for this batch.

        Returns:
            The inputs to train on (batch, …).
        """


class HiddenMix(OnBatch, ABC):
    """Base class of techniques that mix the rows of a batch inside the network, at one layer per batch."""

    @abstractmethod
    def targets(self, y: Tensor, draw: Draw) -> Tensor:
        """Mix the targets (batch, class or output) as `mix` mixes the activations."""

    @abstractmethod
    def layer_index(self, draw: Draw, layers: int) -> int:
        """The index in range(layers) of the layer whose input is mixed in this batch; 0 is the network's own input."""

    @abstractmethod
    def mix(self, x: Tensor, draw: Draw) -> Tensor:
        """Mix the rows of that layer's input (batch, …)."""
