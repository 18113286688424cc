"""The OnGrads stage: changes to the gradient of the data loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from goodfit.stages.common import Clock, Draw, Scheduled

Gradient = Callable[[Sequence[Tensor]], tuple[Tensor, list[Tensor]]]
"""A gradient function: takes the weights, returns the batch's loss (a scalar) and one gradient per weight."""


class OnGrads(Scheduled, ABC):
    """Base class of techniques that wrap the gradient function, such as gradient clipping and SAM.

    Implement `draw` and `wrap`. Techniques nest in the order of the recipe: the first one is the innermost. Gradients
    of penalties on weights are added afterwards. Mix in `Periodic` to act in some steps only.
    """

    @abstractmethod
    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        """Draw everything random for one step, from this generator only.

        Args:
            weights: the trainable weights. Use only their shapes, dtypes and devices.
            generator: the only permitted source of random numbers.
        """

    @abstractmethod
    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        """Return a gradient function that calls the given one, at least once.

        Args:
            gradient: the inner gradient function. It may be called several times, at other weights too. The gradients
                that it returns may be overwritten.
            draw: what `draw` returned for this step.
            clock: the position in training. Its numbers may be tensors: compute with them, but do not branch on them.

        Returns:
            The wrapped function. It must not modify the weights that it receives.
        """
