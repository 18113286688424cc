"""Runs the OnLoss stage: terms of the loss that need the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.rng import seed_global_generators
from goodfit.stages import ForwardPass, OnLoss
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_model import Attachment


@dataclass
class LossTerms:
    """The OnLoss techniques of a recipe, in its order."""

    recipe: Recipe
    attachment: Attachment
    class_shares: Tensor | None  # (class,) shares of the classes among the training rows

    def __post_init__(self) -> None:
        self.techniques = self.recipe.at(OnLoss)
        self.sites = [SiteKey("loss", number) for number in range(len(self.techniques))]
        self.uses_activations = any(t.uses_activations for t in self.techniques)

    def start_recording(self) -> None:
        """Record the hidden activations of the next forward pass, if a term uses them."""
        self.attachment.context.activations = {} if self.uses_activations else None

    def terms(
        self, extra_forward: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, output: Tensor, losses: Tensor | None
    ) -> list[Tensor]:
        """One differentiable scalar per technique.

        Args:
            extra_forward: a further forward pass that leaves the network unchanged.
            x, y: the batch (batch, …) and its targets.
            output: the network's output for x.
            losses: the data loss per row (batch,), or None if the loss gives only one number.

        Raises:
            InputError: no activations of the selected layers were recorded in this pass.
        """
        context = self.attachment.context
        activations, context.activations = context.activations or {}, None
        terms = []
        for number, (technique, site) in enumerate(zip(self.techniques, self.sites, strict=True)):
            current = context.resolve(technique, site)
            hidden = tuple(activations.get(number, ()))
            if technique.uses_activations and not hidden:
                raise InputError(
                    f"{type(technique).__name__}: no layer selected by on={technique.on!r} received a float tensor as "
                    "its first argument in this forward pass; choose others."
                )
            forward = ForwardPass(extra_forward, x, y, output, losses, hidden, self.class_shares)
            terms.append(current.term(forward, context.draw(current, site, forward)))
        return terms


def extra_forward(network: nn.Module, x: Tensor) -> Tensor:
    """The output of a further forward pass that leaves running statistics and torch's generator unchanged."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with torch.random.fork_rng():
        seed_global_generators(int(torch.randint(2**31, ())))  # the user's own layers draw new numbers
        return functional_call(network, buffers, (x,))  # type: ignore[no-any-return]


def class_shares(y: Tensor, classes: int) -> Tensor:
    """The share of each class (class,) among class indices y (n, …).

    >>> class_shares(torch.tensor([0, 1, 1, 1]), 2)
    tensor([0.2500, 0.7500])
    """
    return torch.bincount(y.flatten(), minlength=classes) / y.numel()
