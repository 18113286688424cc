"""One training step of one network: the order in which the stages act."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from goodfit.recipe import Recipe
from goodfit.stages import Clock, OnGrads
from goodfit.train.objective import Objective
from goodfit.train.stages.on_grads import slope, wrapped
from goodfit.train.stages.on_loss import again
from goodfit.train.stages.on_model import Attachment
from goodfit.train.stages.on_weights import WeightUpdater


@dataclass
class Step:
    """batch → OnBatch → forward and loss (+ OnLoss) → gradient (OnGrads around it) → weights (OnWeights)."""

    attachment: Attachment
    recipe: Recipe
    cost: Objective
    weights: WeightUpdater
    rows: int  # at a time: a batch of more is computed in parts

    def __post_init__(self) -> None:
        self.model = self.attachment.model
        self.live = list(self.attachment.parameters().values())
        self.on_grads = self.recipe.at(OnGrads)
        self.again = partial(again, self.model)

    def __call__(
        self, x: Tensor, y: Tensor, clock: Clock, noise: torch.Generator, only: Tensor | None = None
    ) -> Tensor:
        """Train on one batch; the mean data loss of the batch as it was trained on, a scalar without gradient.

        only: whom augmentations may change (batch,); none given: everyone.
        """
        source = self.attachment.source
        source.generator, source.done = noise, clock.progress
        if self.cost.batches.techniques:
            x, y = self.cost.batches(x, y, self.slope, only)
        if self.on_grads:
            loss = wrapped(self.model, self.live, self.on_grads, lambda: self.backward(x, y), clock, source)
        else:
            loss = self.backward(x, y)
        self.weights.step(clock)
        return loss

    def backward(self, x: Tensor, y: Tensor) -> Tensor:
        """Loss and gradient at the weights as they are, into `.grad`."""
        for parameter in self.live:
            parameter.grad = None
        parts, losses = self._parts(x, y), []
        for xs, ys in parts:
            loss, cost = self.cost(self.model, self.again, xs, ys)
            share = len(xs) / len(x)
            (cost if len(parts) == 1 else cost * share).backward()
            losses.append(loss.detach() * share)
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def slope(self, x: Tensor, y: Tensor) -> Tensor:
        """∂loss/∂x of the data loss without noise, for an attack; nothing of the network changes."""
        criterion = self.cost.criterion
        return slope(self.model, self.attachment.source, lambda moved: criterion.mean(self.model(moved), y), x)

    def _parts(self, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The parts of a batch; a single row left over joins the part before it (batch norm needs two)."""
        if len(x) <= self.rows + (self.rows > 1):
            return [(x, y)]
        sizes = [len(part) for part in x.split(self.rows)]
        if sizes[-1] == 1 < sizes[-2]:
            sizes[-2:] = [sizes[-2] + 1]
        return list(zip(x.split(sizes), y.split(sizes), strict=True))
