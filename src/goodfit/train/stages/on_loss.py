"""The OnLoss stage of a step: terms that need the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import ForwardPass, OnLoss
from goodfit.train.stages.on_model import Attachment


@dataclass
class LossTerms:
    """The OnLoss techniques of a recipe, in its order."""

    recipe: Recipe
    attachment: Attachment
    frequencies: Tensor | None  # (class,) shares of the classes in the training rows

    def __post_init__(self) -> None:
        self.techniques = self.recipe.at(OnLoss)
        self.watching = any(t.uses_activations for t in self.techniques)

    def begin(self) -> None:
        """Begin to record hidden activations, if a term looks at them."""
        self.attachment.source.seen = {} if self.watching else None

    def terms(
        self,
        again: Callable[[Tensor], Tensor],
        x: Tensor,
        y: Tensor,
        output: Tensor,
        rows: Tensor | None,
    ) -> list[Tensor]:
        """One differentiable scalar per technique; rows: the data loss per row, where it is known.

        `again`: a further pass through the network, which changes nothing of it.
        """
        source = self.attachment.source
        seen, source.seen = source.seen or {}, None
        found = []
        for number, technique in enumerate(self.techniques):
            place = f"loss {number}"
            acting = source.now(technique, place)
            hidden = tuple(seen.get(number, ()))
            if technique.uses_activations and not hidden:
                raise InputError(
                    f"{type(technique).__name__}: no layer that on= chooses was given a tensor of floats as its first "
                    "argument in this forward pass; choose others."
                )
            forward = ForwardPass(again, x, y, output, rows, hidden, self.frequencies)
            found.append(acting.term(forward, source.draw(acting, place, forward)))
        return found


def again(network: nn.Module, x: Tensor) -> Tensor:
    """The output of a further pass, which leaves running statistics and torch's own generator as they are."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, ())))  # for the user's own layers, which draw from torch's
        return functional_call(network, buffers, (x,))  # type: ignore[no-any-return]


def shares(y: Tensor, classes: int) -> Tensor:
    """The share of each class (class,) among whole class numbers y (n, …).

    >>> shares(torch.tensor([0, 1, 1, 1]), 2)
    tensor([0.2500, 0.7500])
    """
    return torch.bincount(y.flatten(), minlength=classes) / y.numel()
