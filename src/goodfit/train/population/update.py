"""What a gradient does to the weights of one member: the optimizer and the OnWeights techniques, as a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from goodfit.recipe import Recipe
from goodfit.stages import Decay, Draw, OnWeights, Penalty, Projection, Proximal, Quadratic, Scaling, Smooth
from goodfit.surgery import Slot
from goodfit.train.acting import Source
from goodfit.train.settings import Training
from goodfit.train.weights import LARGE, blocks, resolve

Carried = dict[str, list[Draw]]
"""Number of a projection and name of a tensor → what is carried for each of its blocks."""


@dataclass
class Rates:
    """The numbers of one step: tensors without dimensions."""

    rate: Tensor  # learning rate
    memory: tuple[Tensor, Tensor]  # Adam's betas; of SGD the momentum, twice
    corrections: tuple[Tensor, Tensor]  # 1 − beta^step
    owed: Mapping[int, Tensor]  # number of a waiting technique → sum of the learning rates since it acted


class Update:
    """The order of `WeightStage.step`, on weights that lie one after another in one vector."""

    def __init__(self, model: nn.Module, live: Sequence[nn.Parameter], recipe: Recipe, training: Training) -> None:
        self.adaptive = training.optimizer != "sgd"
        self.shapes = [p.shape for p in live]
        self.bounds = list(pairwise([0, *accumulate(p.numel() for p in live)]))
        self.at = {id(p): i for i, p in enumerate(live)}
        self.chosen = resolve(model, recipe)
        self.penalties = any(isinstance(t, Penalty) for t, _ in self.chosen)
        self.unused: set[int] = set()  # numbers of weights that no gradient reaches
        self.every = {number: self._every(t, slots) for number, (t, slots) in enumerate(self.chosen)}

    def _every(self, technique: OnWeights, slots: list[Slot]) -> int:
        large = sum([s.tensor.numel() for s in slots]) > LARGE
        cheap = isinstance(technique, Proximal) and not self.adaptive
        return technique.every if large and not cheap else 1

    def views(self, flat: Tensor) -> list[Tensor]:
        """The weights (or what belongs to them) by number, as views of the vector (weights,)."""
        pairs = zip(self.bounds, self.shapes, strict=True)
        return [flat[start:end].view(shape) for (start, end), shape in pairs]

    def start(self, flat: Tensor) -> tuple[list[Tensor], Carried]:
        """The optimizer's memory, and what projections carry, before the first step."""
        memory = [torch.zeros_like(flat) for _ in range(2 if self.adaptive else 1)]
        views = self.views(flat)
        carried = {
            f"{number} {slot.name}": [t.start(block) for block in self._blocks(t, slot, views)]
            for number, (t, slots) in enumerate(self.chosen)
            if isinstance(t, Projection)
            for slot in slots
        }
        return memory, carried

    def __call__(
        self,
        flat: Tensor,
        grads: list[Tensor],
        memory: list[Tensor],
        carried: Carried,
        rates: Rates,
        due: Sequence[bool],
        source: Source,
    ) -> tuple[Tensor, list[Tensor], Carried]:
        """The next weights (weights,), memory and carried tensors; `grads` may be overwritten."""
        now = [(source.now(t, f"weights {i}"), slots) for i, (t, slots) in enumerate(self.chosen)]
        flat = flat.clone()  # what follows overwrites it
        weights = self.views(flat)
        for technique, slots in now:
            if not isinstance(technique, Smooth):
                continue
            for slot in self._used(slots):
                parts = self._blocks(technique, slot, grads)
                for block, part in zip(self._blocks(technique, slot, weights), parts, strict=True):
                    part.add_(technique.gradient(block))
        kept = []
        for technique, slots in now:
            if not isinstance(technique, Decay):
                continue
            for w in [weights[self.at[id(slot.tensor)]] for slot in self._used(slots)]:
                if technique.agrees_only():
                    kept.append((technique, w, w.clone()))
                else:
                    w.mul_(technique.factor(rates.rate))  # type: ignore[arg-type]
        for technique, slots in now:
            if not isinstance(technique, Quadratic):
                continue
            for slot in self._used(slots):
                at = self.at[id(slot.tensor)]
                grads[at] = grads[at] + technique.coefficient() * weights[at]
        moved, memory, spread = self._optimize(flat, torch.cat([g.reshape(-1) for g in grads]), memory, rates)
        flat.copy_(moved)
        for technique, w, before in kept:
            agrees = (w - before) * before <= 0
            w.sub_(before * agrees * (1 - technique.factor(rates.rate)))  # type: ignore[arg-type]
        for number, (technique, slots) in enumerate(now):
            if isinstance(technique, Proximal) and due[number]:
                sizes = self._sizes(spread, rates, rates.owed.get(number, rates.rate))
                for slot in self._used(slots):
                    self._prox(technique, slot, weights, sizes)
        carried = {name: list(draws) for name, draws in carried.items()}
        for number, (technique, slots) in enumerate(now):
            for slot in slots if due[number] else ():
                if isinstance(technique, Scaling):
                    self._scale(technique, slot, weights)
                elif isinstance(technique, Projection):
                    self._project(technique, slot, weights, carried[f"{number} {slot.name}"])
        return flat, memory, carried

    def values(self, flat: Tensor, source: Source) -> dict[str, Tensor]:
        """The value of each weight penalty."""
        columns: dict[str, Tensor] = {}
        weights = self.views(flat)
        for number, (technique, slots) in enumerate(self.chosen):
            if isinstance(technique, Penalty):
                penalty = source.now(technique, f"weights {number}")
                found = [penalty.value(b) for s in slots for b in self._blocks(penalty, s, weights)]
                name = f"penalty_{technique.name()}"
                columns[name] = sum(found, columns.get(name, flat.new_zeros(())))
        return columns

    def _optimize(
        self, flat: Tensor, grad: Tensor, memory: list[Tensor], rates: Rates
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """The moved weights, the memory, and (Adam's) mean square of the gradient."""
        if not self.adaptive:
            velocity = memory[0] * rates.memory[0] + grad
            return flat - rates.rate * velocity, [velocity], velocity
        mean = torch.lerp(memory[0], grad, 1 - rates.memory[0])
        square = memory[1] * rates.memory[1] + (1 - rates.memory[1]) * grad * grad
        first, second = rates.corrections
        spread = square.sqrt() / second.sqrt() + EPSILON
        return flat - (rates.rate / first) * (mean / spread), [mean, square], square

    def _sizes(self, square: Tensor, rates: Rates, rate: Tensor) -> list[Tensor] | Tensor:
        """By how much one unit of gradient, held for long, moves each weight per step: see `step_size`."""
        if not self.adaptive:
            return rate / (1 - rates.memory[0])
        corrected = rates.corrections[1]
        return self.views((square + corrected * EPSILON**2).rsqrt() * (rate * corrected.sqrt()))

    def _prox(self, technique: Proximal, slot: Slot, weights: list[Tensor], sizes: list[Tensor] | Tensor) -> None:
        found = self._blocks(technique, slot, weights)
        steps = self._blocks(technique, slot, sizes) if isinstance(sizes, list) else [sizes] * len(found)
        for block, step in zip(found, steps, strict=True):
            moved = technique.prox(block, step.clone())
            if moved is not block:
                block.copy_(moved)

    def _scale(self, technique: Scaling, slot: Slot, weights: list[Tensor]) -> None:
        for w in slot.blocks(weights[self.at[id(slot.tensor)]]):
            norm = torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True)
            w.mul_(technique.scale(norm))

    def _project(self, technique: Projection, slot: Slot, weights: list[Tensor], carried: list[Draw]) -> None:
        for i, block in enumerate(self._blocks(technique, slot, weights)):
            moved, carried[i] = technique.project(block, carried[i])
            if moved is not block:
                block.copy_(moved)

    def _blocks(self, technique: OnWeights, slot: Slot, tensors: Sequence[Tensor]) -> list[Tensor]:
        return blocks(technique, slot, tensors[self.at[id(slot.tensor)]])

    def _used(self, slots: list[Slot]) -> list[Slot]:
        return [slot for slot in slots if self.at[id(slot.tensor)] not in self.unused]


EPSILON = 1e-8
"""torch's, of Adam."""
