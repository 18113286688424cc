"""One training step: the only place where its order is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from goodfit.data import TaskSpec
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Forward, Gradient, OnBatch, OnGrads, OnLoss
from goodfit.train.losses import Criterion
from goodfit.train.weights import WeightStage


@dataclass
class Step:
    """batch → OnBatch → forward and loss (+ OnLoss) → gradient (OnGrads around it) → weights (OnWeights)."""

    model: nn.Module
    recipe: Recipe
    criterion: Criterion
    spec: TaskSpec
    weights: WeightStage
    rows: int  # at a time: a batch of more is computed in parts
    named: dict[str, nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        self.named = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.on_batch = self.recipe.at(OnBatch)
        self.on_loss = self.recipe.at(OnLoss)
        self.on_grads = self.recipe.at(OnGrads)
        for technique in self.on_batch:
            if technique.needs == "labels" and self.spec.task == "regression":
                raise InputError(
                    f"{type(technique).__name__}: it acts on class labels; the target '{self.spec.target}' is a number."
                )

    def __call__(self, x: Tensor, y: Tensor, learning_rate: float, noise: torch.Generator) -> Tensor:
        """Train on one batch; the mean data loss of the batch as it was trained on, a scalar without gradient."""
        if self.on_batch:
            x, y = self.change_batch(x, y, noise)
        gradient = self.wrapped_gradient if self.on_grads else self.backward
        loss = gradient(x, y, noise)
        self.weights.step(learning_rate)
        return loss

    def change_batch(self, x: Tensor, y: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """The OnBatch techniques in order; class targets become probabilities (batch, class) for them."""
        if self.spec.task == "classification":
            kind = x.dtype if x.is_floating_point() else torch.get_default_dtype()
            y = F.one_hot(y, len(self.spec.classes)).to(kind)
        for technique in self.on_batch:
            x, y = technique.batch(x, y, technique.draw(x, y, noise))
        return x, y

    def backward(self, x: Tensor, y: Tensor, noise: torch.Generator) -> Tensor:
        """Loss and gradient at the weights as they are, into `.grad`."""
        for parameter in self.named.values():
            parameter.grad = None
        parts, losses = self._parts(x, y), []
        for xs, ys in parts:
            loss, cost = self.loss(self.model, xs, ys, noise)
            share = len(xs) / len(x)
            (cost if len(parts) == 1 else cost * share).backward()
            losses.append(loss.detach() * share)
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def loss(self, network: nn.Module, x: Tensor, y: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """The data loss of a batch, and the cost: that loss with the OnLoss terms added."""
        output = network(x)
        loss = self.criterion.mean(output, y)
        terms = (t.term(Forward(network, x, y, output), noise) for t in self.on_loss)
        return loss, sum(terms, loss)

    def wrapped_gradient(self, x: Tensor, y: Tensor, noise: torch.Generator) -> Tensor:
        """The gradient through the OnGrads techniques (the first of the recipe is the innermost), into `.grad`."""
        live = list(self.named.values())

        def innermost(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            at_live = all(a is b for a, b in zip(weights, live, strict=True))
            return self._at_live(x, y, noise) if at_live else self._elsewhere(weights, x, y, noise)

        gradient: Gradient = innermost
        for technique in self.on_grads:
            gradient = technique.wrap(gradient, noise)
        loss, grads = gradient(live)
        for parameter, grad in zip(live, grads, strict=True):
            parameter.grad = grad
        return loss

    def _at_live(self, x: Tensor, y: Tensor, noise: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        loss = self.backward(x, y, noise)
        return loss, [torch.zeros_like(p) if p.grad is None else p.grad for p in self.named.values()]

    def _elsewhere(
        self, weights: Sequence[Tensor], x: Tensor, y: Tensor, noise: torch.Generator
    ) -> tuple[Tensor, list[Tensor]]:
        """At other weights than the live ones; the buffers (running statistics) of the network are not touched."""
        moved = [w.detach().requires_grad_() for w in weights]
        buffers = {n: b.clone() for n, b in self.model.named_buffers()}
        values = {**dict(zip(self.named, moved, strict=True)), **buffers}
        model = self.model

        class Elsewhere(nn.Module):
            def forward(self, inputs: Tensor) -> Tensor:
                return functional_call(model, values, (inputs,))  # type: ignore[no-any-return]

        total, grads = x.new_zeros(()), [torch.zeros_like(w) for w in moved]
        for xs, ys in self._parts(x, y):
            loss, cost = self.loss(Elsewhere(), xs, ys, noise)
            share = len(xs) / len(x)
            found = torch.autograd.grad(cost, moved, allow_unused=True)
            grads = [g if f is None else g + f * share for g, f in zip(grads, found, strict=True)]
            total += loss.detach() * share
        return total, grads

    def _parts(self, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The parts of a batch; a single row left over joins the part before it (batch norm needs two)."""
        if len(x) <= self.rows + (self.rows > 1):
            return [(x, y)]
        sizes = [len(part) for part in x.split(self.rows)]
        if sizes[-1] == 1 < sizes[-2]:
            sizes[-2:] = [sizes[-2] + 1]
        return list(zip(x.split(sizes), y.split(sizes), strict=True))
