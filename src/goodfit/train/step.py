"""One training step: the only place where its order is written."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.recipe import Recipe
from goodfit.stages import Clock, OnGrads
from goodfit.train.attach import Attachment
from goodfit.train.batches import BatchStage
from goodfit.train.gradients import slope, wrapped
from goodfit.train.losses import Criterion
from goodfit.train.terms import LossStage
from goodfit.train.weights import WeightStage


@dataclass
class Step:
    """batch → OnBatch → forward and loss (+ OnLoss) → gradient (OnGrads around it) → weights (OnWeights)."""

    attachment: Attachment
    recipe: Recipe
    criterion: Criterion
    batches: BatchStage
    terms: LossStage
    weights: WeightStage
    rows: int  # at a time: a batch of more is computed in parts

    def __post_init__(self) -> None:
        self.model = self.attachment.model
        self.live = list(self.attachment.parameters().values())
        self.on_grads = self.recipe.at(OnGrads)

    def __call__(self, x: Tensor, y: Tensor, clock: Clock, noise: torch.Generator) -> Tensor:
        """Train on one batch; the mean data loss of the batch as it was trained on, a scalar without gradient."""
        source = self.attachment.source
        source.generator, source.done = noise, clock.done
        if self.batches.techniques:
            x, y = self.batches(x, y, clock.done, noise, self.slope)
        if self.on_grads:
            gradients = (self.model, self.live, self.on_grads)
            loss = wrapped(*gradients, lambda: self.backward(x, y, clock, noise), clock, noise)
        else:
            loss = self.backward(x, y, clock, noise)
        self.weights.step(clock)
        return loss

    def backward(self, x: Tensor, y: Tensor, clock: Clock, noise: torch.Generator) -> Tensor:
        """Loss and gradient at the weights as they are, into `.grad`."""
        for parameter in self.live:
            parameter.grad = None
        parts, losses = self._parts(x, y), []
        for xs, ys in parts:
            loss, cost = self.loss(xs, ys, clock, noise)
            share = len(xs) / len(x)
            (cost if len(parts) == 1 else cost * share).backward()
            losses.append(loss.detach() * share)
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def loss(self, x: Tensor, y: Tensor, clock: Clock, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """The data loss of some rows, and the cost: that loss with the OnLoss terms added."""
        if self.attachment.mixing:
            y = self.batches.mix(x, y, clock.done, noise)
        self.terms.begin()
        output = self.model(x)
        rows = self.criterion.rows(output, y)
        loss = rows.mean()
        if not self.terms.techniques:
            return loss, loss
        each = rows if rows.ndim else None
        terms = self.terms.terms(self.model, x, y, output, each, clock.done, noise)
        return loss, sum(terms, loss)

    def slope(self, x: Tensor, y: Tensor) -> Tensor:
        """∂loss/∂x of the data loss without noise, for an attack; nothing of the network changes."""
        return slope(self.model, self.attachment.source, lambda moved: self.criterion.mean(self.model(moved), y), x)

    def _parts(self, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The parts of a batch; a single row left over joins the part before it (batch norm needs two)."""
        if len(x) <= self.rows + (self.rows > 1):
            return [(x, y)]
        sizes = [len(part) for part in x.split(self.rows)]
        if sizes[-1] == 1 < sizes[-2]:
            sizes[-2:] = [sizes[-2] + 1]
        return list(zip(x.split(sizes), y.split(sizes), strict=True))
