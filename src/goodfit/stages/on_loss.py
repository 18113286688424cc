"""OnLoss: terms that need the forward pass."""

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
class Forward:
    """What a term of the loss may look at: the batch, the network's output, and the network itself."""

    network: Callable[[Tensor], Tensor]
    x: Tensor  # (batch, …)
    y: Tensor  # (batch,) or (batch, class or outputs)
    output: Tensor  # (batch, class or outputs)
    rows: Tensor | None = None  # (batch,) data loss per row; None where the loss gives one number in all
    hidden: tuple[Tensor, ...] = ()  # inputs of the layers that the technique's `on` chooses, (batch, …) each
    frequencies: Tensor | None = None  # (class,) shares of the classes in the training rows

    def log_probabilities(self, output: Tensor | None = None) -> Tensor:
        """log p (batch, class) of this output (or of another one); a single logit is that of the second class.

        >>> Forward(abs, torch.zeros(1, 1), torch.zeros(1), torch.zeros(1, 1)).log_probabilities().exp()
        tensor([[0.5000, 0.5000]])
        """
        logits = self.output if output is None else output
        if logits.ndim == 1 or logits.shape[1] == 1:
            flat = logits.reshape(-1, 1)
            return F.logsigmoid(torch.cat([-flat, flat], 1))
        return torch.log_softmax(logits, 1)


class OnLoss(Scheduled, ABC):
    """Adds a term that needs the forward pass to the data loss; the two are never mixed in the History."""

    needs: ClassVar[str] = "any"
    """The targets it understands: `labels`, `numbers` or `any`."""
    per_row: ClassVar[bool] = True
    """Whether the term is a mean over rows; then gradients accumulated over parts of a batch are those of the whole."""
    needs_noise: ClassVar[bool] = False
    """Whether it is nothing on a network that computes the same in every pass."""
    watches: ClassVar[bool] = False
    """Whether it looks at hidden activations; then it declares `on: str = selector()`."""

    @abstractmethod
    def draw(self, forward: Forward, generator: torch.Generator) -> Draw:
        """Everything random."""

    @abstractmethod
    def term(self, forward: Forward, draw: Draw) -> Tensor:
        """The term to add: a differentiable scalar, in units of the loss."""
