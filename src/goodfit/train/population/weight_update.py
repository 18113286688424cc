"""What a gradient does to the weights of one member: the optimizer and the OnWeights techniques, as a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.recipe import Recipe
from goodfit.stages import (
    Decay,
    Draw,
    OnWeights,
    Penalty,
    Projection,
    ProximalPenalty,
    QuadraticPenalty,
    Scaling,
    SmoothPenalty,
)
from goodfit.surgery import WeightRef
from goodfit.train.config import Training
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_weights import LARGE, blocks, resolve

Carried = dict[str, list[Draw]]
"""Number of a projection and name of a tensor → what is carried for each of its blocks."""


@dataclass
class Rates:
    """The numbers of one step: tensors without dimensions."""

    rate: Tensor  # learning rate
    memory: tuple[Tensor, Tensor]  # Adam's betas; of SGD the momentum, twice
    corrections: tuple[Tensor, Tensor]  # with cₖ = 1 − betaₖ^step: √c₂ / c₁, √c₂
    owed: Mapping[int, Tensor]  # number of a waiting technique → sum of the learning rates since it acted


class Update:
    """The order of `WeightUpdater.step`, as a function of a member's tensors."""

    def __init__(self, model: nn.Module, live: Sequence[nn.Parameter], recipe: Recipe, training: Training) -> None:
        self.adaptive = training.optimizer != "sgd"
        self.at = {id(p): i for i, p in enumerate(live)}
        self.chosen = resolve(model, recipe)
        self.penalties = any(isinstance(t, Penalty) for t, _ in self.chosen)
        self.unused: set[int] = set()  # numbers of weights that no gradient reaches
        self.every = {number: self._every(t, refs) for number, (t, refs) in enumerate(self.chosen)}

    def _every(self, technique: OnWeights, refs: list[WeightRef]) -> int:
        large = sum([s.tensor.numel() for s in refs]) > LARGE
        cheap = isinstance(technique, ProximalPenalty) and not self.adaptive
        return technique.every if large and not cheap else 1

    def start(self, weights: Sequence[Tensor]) -> tuple[list[list[Tensor]], Carried]:
        """The optimizer's memory, and what projections carry, before the first step."""
        memory = [[torch.zeros_like(w) for w in weights] for _ in range(2 if self.adaptive else 1)]
        carried = {
            f"{number} {ref.name}": [t.start(block) for block in self._blocks(t, ref, weights)]
            for number, (t, refs) in enumerate(self.chosen)
            if isinstance(t, Projection)
            for ref in refs
        }
        return memory, carried

    def __call__(
        self,
        weights: Sequence[Tensor],
        grads: Sequence[Tensor],
        memory: Sequence[Sequence[Tensor]],
        carried: Carried,
        rates: Rates,
        due: Sequence[bool],
        source: StepContext,
    ) -> tuple[list[Tensor], list[list[Tensor]], Carried]:
        """The next weights, memory and carried tensors; `grads` may be overwritten."""
        weights, grads = list(weights), list(grads)
        now = [(source.now(t, f"weights {i}"), refs) for i, (t, refs) in enumerate(self.chosen)]
        for technique, refs in now:
            if isinstance(technique, SmoothPenalty):
                self._add_gradients(technique, refs, weights, grads)
        cautious = []
        for technique, refs in now:
            if isinstance(technique, Decay):
                for i in self._used(refs):
                    if technique.is_cautious():
                        cautious.append((technique, i, weights[i]))
                    else:
                        weights[i] = weights[i] * technique.factor(rates.rate)  # type: ignore[arg-type]
        for technique, refs in now:
            if isinstance(technique, QuadraticPenalty):
                for i in self._used(refs):
                    grads[i] = grads[i] + technique.coefficient() * weights[i]
        pairs = zip(weights, grads, *memory, strict=True)
        moved, *memory = map(list, zip(*(self._optimize(w, g, m, rates) for w, g, *m in pairs), strict=True))
        for decay, i, before in cautious:
            agrees = (moved[i] - before) * before <= 0
            moved[i] = moved[i] - before * agrees * (1 - decay.factor(rates.rate))  # type: ignore[arg-type]
        for number, (technique, refs) in enumerate(now):
            if isinstance(technique, ProximalPenalty) and due[number]:
                rate = rates.owed.get(number, rates.rate)
                for ref in refs:
                    if self.at[id(ref.tensor)] not in self.unused:
                        self._prox(technique, ref, moved, memory[-1], rates, rate)
        carried = {name: list(draws) for name, draws in carried.items()}
        for number, (technique, refs) in enumerate(now):
            for ref in refs if due[number] else ():
                if isinstance(technique, Scaling):
                    self._scale(technique, ref, moved)
                elif isinstance(technique, Projection):
                    self._project(technique, ref, moved, carried[f"{number} {ref.name}"])
        return moved, memory, carried

    def values(self, weights: Sequence[Tensor], source: StepContext) -> dict[str, Tensor]:
        """The value of each weight penalty."""
        columns: dict[str, Tensor] = {}
        for number, (technique, refs) in enumerate(self.chosen):
            if isinstance(technique, Penalty):
                penalty = source.now(technique, f"weights {number}")
                found = [penalty.value(b) for s in refs for b in self._blocks(penalty, s, weights)]
                name = f"penalty_{technique.name()}"
                columns[name] = sum(found, columns.get(name, torch.zeros_like(found[0])))
        return columns

    def _add_gradients(
        self, technique: SmoothPenalty, refs: list[WeightRef], weights: list[Tensor], grads: list[Tensor]
    ) -> None:
        for ref in refs:
            if self.at[id(ref.tensor)] not in self.unused:
                parts = self._blocks(technique, ref, grads)
                for block, part in zip(self._blocks(technique, ref, weights), parts, strict=True):
                    part.add_(technique.gradient(block))

    def _optimize(self, w: Tensor, grad: Tensor, memory: Sequence[Tensor], rates: Rates) -> tuple[Tensor, ...]:
        """The moved weights, and what the optimizer remembers."""
        if not self.adaptive:
            velocity = memory[0] * rates.memory[0] + grad
            return w - rates.rate * velocity, velocity
        (both, second), (beta1, beta2) = rates.corrections, rates.memory
        mean = memory[0] + (1 - beta1) * (grad - memory[0])
        square = beta2 * memory[1] + (1 - beta2) * grad * grad
        # Taken out of the quotient, the corrections are one number for all weights.
        return w - (rates.rate * both) * mean / (square.sqrt() + EPSILON * second), mean, square

    def _prox(
        self,
        technique: ProximalPenalty,
        ref: WeightRef,
        weights: list[Tensor],
        squares: list[Tensor],
        rates: Rates,
        rate: Tensor,
    ) -> None:
        """With `step_size`: how far one unit of gradient, held for long, moves each weight."""
        found = self._blocks(technique, ref, weights)
        if self.adaptive:
            second = rates.corrections[1]
            sizes = (squares[self.at[id(ref.tensor)]] + (second * EPSILON) ** 2).rsqrt() * (rate * second)
            steps = ref.blocks(sizes) if technique.needs_units else [sizes]
        else:
            steps = [(rate / (1 - rates.memory[0])).clone() for _ in found]
        for block, step in zip(found, steps, strict=True):
            moved = technique.prox(block, step)
            if moved is not block:
                block.copy_(moved)

    def _scale(self, technique: Scaling, ref: WeightRef, weights: list[Tensor]) -> None:
        for w in ref.blocks(weights[self.at[id(ref.tensor)]]):
            norm = torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True)
            w.mul_(technique.scale(norm))

    def _project(self, technique: Projection, ref: WeightRef, weights: list[Tensor], carried: list[Draw]) -> None:
        for i, block in enumerate(self._blocks(technique, ref, weights)):
            moved, carried[i] = technique.project(block, carried[i])
            if moved is not block:
                block.copy_(moved)

    def _blocks(self, technique: OnWeights, ref: WeightRef, tensors: Sequence[Tensor]) -> list[Tensor]:
        return blocks(technique, ref, tensors[self.at[id(ref.tensor)]])

    def _used(self, refs: list[WeightRef]) -> list[int]:
        """The numbers of those weights that a gradient reaches."""
        return [self.at[id(ref.tensor)] for ref in refs if self.at[id(ref.tensor)] not in self.unused]


EPSILON = 1e-8
"""torch's, of Adam."""
