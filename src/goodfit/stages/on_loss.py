"""The OnLoss stage: terms of the loss that need the forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.stages.common import Draw, Scheduled


@dataclass(frozen=True)
class ForwardPass:
    """What a loss term may use: the batch, the network's output, and the network itself."""

    network: Callable[[Tensor], Tensor]
    """Runs one more forward pass with new noise; it does not update running statistics."""
    x: Tensor  # (batch, …)
    y: Tensor  # (batch,) or (batch, class or output)
    output: Tensor  # (batch, class or output)
    row_losses: Tensor | None = None  # (batch,) data loss per row; None where the loss returns one number per batch
    activations: tuple[Tensor, ...] = ()  # inputs (batch, …) of the layers selected by `on`, if `uses_activations`
    frequencies: Tensor | None = None  # (class,) shares of the classes in the training rows; None for numbers

    def log_probabilities(self, output: Tensor | None = None) -> Tensor:
        """log p (batch, class) of the output, or of another one. A single logit is that of the second class.

        >>> ForwardPass(abs, torch.zeros(1, 1), torch.zeros(1), torch.zeros(1, 1)).log_probabilities().exp()
        tensor([[0.5000, 0.5000]])
        """
        logits = self.output if output is None else output
        if logits.ndim == 1 or logits.shape[1] == 1:
            flat = logits.reshape(-1, 1)
            return F.logsigmoid(torch.cat([-flat, flat], 1))
        return torch.log_softmax(logits, 1)


class OnLoss(Scheduled, ABC):
    """Base class of techniques that add a term to the data loss.

    Implement `draw` and `term`. The History always reports the data loss without these terms.
    """

    accumulates_exactly: ClassVar[bool] = True
    """Whether gradients accumulated over parts of a batch equal those of the whole batch: the term is a mean over rows
    and draws nothing."""
    needs_noise: ClassVar[bool] = False
    """Whether the term is 0 for a network that gives the same output in every pass."""
    uses_activations: ClassVar[bool] = False
    """Whether the term uses `ForwardPass.activations`. It must then declare `on: str = selector()`."""

    @abstractmethod
    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        """Draw everything random, from this generator only; an empty tuple if nothing is random."""

    @abstractmethod
    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        """The term to add: a differentiable scalar, in units of the loss. Called once per batch."""
