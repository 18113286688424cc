"""The phases that update weights, as functions of a member's tensors: optimizer and OnWeights techniques."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from goodfit.stages.weight_targets import WeightTarget, blocks, weight_targets
from goodfit.surgery import WeightRef
from goodfit.train.config import Training
from goodfit.train.phases import Phase
from goodfit.train.stages.hooks import SiteKey, StepContext

EPSILON = 1e-8
"""ε of torch's Adam."""
Carried = dict[str, list[Draw]]
"""Number of a projection and name of a tensor → the state of each of the tensor's blocks."""


@dataclass
class WeightState:
    """A member's weights, gradients and optimizer state, which the phases of a step change."""

    weights: list[Tensor]
    grads: list[Tensor]
    moments: list[list[Tensor]]  # of the optimizer: Adam's two, or SGD's momentum
    carried: Carried  # states of projections
    learning_rate: Tensor  # (), like all numbers of a step
    betas: tuple[Tensor, Tensor]  # of Adam; for SGD the momentum, twice
    corrections: tuple[Tensor, Tensor]  # with cₖ = 1 − betaₖ^step: √c₂ / c₁, √c₂
    summed_rates: Mapping[int, Tensor]  # number of a technique → sum of the learning rates for which it acts
    due: Sequence[bool]  # which OnWeights techniques act in this step
    context: StepContext
    cautious: list[tuple[Decay, int, Tensor]] = field(default_factory=list)  # decay, number of the weight, its value


class WeightUpdate:
    """The phases of `WeightUpdater`, as functions."""

    def __init__(
        self, model: nn.Module, parameters: Sequence[nn.Parameter], recipe: Recipe, training: Training
    ) -> None:
        self.adaptive = training.optimizer != "sgd"
        self.index = {id(p): i for i, p in enumerate(parameters)}
        self.targets = [target.with_interval(self.adaptive) for target in weight_targets(model, recipe.at(OnWeights))]
        self.intervals = {target.number: target.interval for target in self.targets}
        self.has_penalties = any(isinstance(target.technique, Penalty) for target in self.targets)
        self.unused: set[int] = set()  # numbers of weights without a gradient
        self.handlers: dict[Phase, Callable[[WeightState], None]] = {
            Phase.SMOOTH_PENALTIES: self._smooth_penalties,
            Phase.DECAY: self._decay,
            Phase.COUPLED_L2: self._coupled_l2,
            Phase.OPTIMIZER: self._optimizer,
            Phase.CAUTIOUS_DECAY: self._cautious_decay,
            Phase.PROXIMAL: self._proximal,
            Phase.PROJECTION: self._projection,
        }

    def start(self, weights: Sequence[Tensor]) -> tuple[list[list[Tensor]], Carried]:
        """The optimizer's moments and the states of projections before the first step."""
        moments = [[torch.zeros_like(w) for w in weights] for _ in range(2 if self.adaptive else 1)]
        carried = {
            f"{target.number} {ref.name}": [
                target.technique.start(block) for block in self._blocks(target.technique, ref, weights)
            ]
            for target in self.targets
            if isinstance(target.technique, Projection)
            for ref in target.refs
        }
        return moments, carried

    def penalties(self, weights: Sequence[Tensor], context: StepContext) -> dict[str, Tensor]:
        """The value of each weight penalty."""
        columns: dict[str, Tensor] = {}
        for penalty, target in self._of(Penalty, context):
            values = [penalty.value(b) for r in target.refs for b in self._blocks(penalty, r, weights)]
            name = f"penalty_{penalty.name()}"
            columns[name] = sum(values, columns.get(name, torch.zeros_like(values[0])))
        return columns

    # ---- the phases ----------------------------------------------------------------------------

    def _smooth_penalties(self, state: WeightState) -> None:
        for technique, target in self._of(SmoothPenalty, state.context):
            for ref in self._with_gradient(target.refs):
                grads = self._blocks(technique, ref, state.grads)
                for block, grad in zip(self._blocks(technique, ref, state.weights), grads, strict=True):
                    grad.add_(technique.gradient(block))

    def _decay(self, state: WeightState) -> None:
        for decay, target in self._of(Decay, state.context):
            for i in self._numbers(target.refs):
                if decay.is_cautious():
                    state.cautious.append((decay, i, state.weights[i]))
                else:
                    state.weights[i] = state.weights[i] * decay.factor(state.learning_rate)

    def _coupled_l2(self, state: WeightState) -> None:
        for technique, target in self._of(QuadraticPenalty, state.context):
            for i in self._numbers(target.refs):
                state.grads[i] = state.grads[i] + technique.coefficient() * state.weights[i]

    def _optimizer(self, state: WeightState) -> None:
        per_weight = zip(state.weights, state.grads, *state.moments, strict=True)
        updated = (self._optimized(w, g, m, state) for w, g, *m in per_weight)
        state.weights, *state.moments = map(list, zip(*updated, strict=True))

    def _optimized(self, w: Tensor, grad: Tensor, moments: Sequence[Tensor], state: WeightState) -> tuple[Tensor, ...]:
        """The updated weights and moments."""
        if not self.adaptive:
            velocity = moments[0] * state.betas[0] + grad
            return w - state.learning_rate * velocity, velocity
        (both, second), (beta1, beta2) = state.corrections, state.betas
        mean = moments[0] + (1 - beta1) * (grad - moments[0])
        square = beta2 * moments[1] + (1 - beta2) * grad * grad
        # With the bias corrections outside the quotient, they are one number for all weights.
        return w - (state.learning_rate * both) * mean / (square.sqrt() + EPSILON * second), mean, square

    def _cautious_decay(self, state: WeightState) -> None:
        for decay, i, before in state.cautious:
            shrunk = (state.weights[i] - before) * before <= 0
            state.weights[i] = state.weights[i] - before * shrunk * (1 - decay.factor(state.learning_rate))  # type: ignore[arg-type]

    def _proximal(self, state: WeightState) -> None:
        for technique, target in self._of(ProximalPenalty, state.context):
            rate = state.summed_rates.get(target.number, state.learning_rate)
            for ref in self._with_gradient(target.refs) if state.due[target.number] else ():
                self._prox(technique, ref, state, rate)

    def _prox(self, technique: ProximalPenalty, ref: WeightRef, state: WeightState, rate: Tensor) -> None:
        """A proximal step with the step size of `optimizers.step_size`."""
        weights = self._blocks(technique, ref, state.weights)
        if self.adaptive:
            second, squares = state.corrections[1], state.moments[-1]
            sizes = (squares[self.index[id(ref.tensor)]] + (second * EPSILON) ** 2).rsqrt() * (rate * second)
            steps = blocks(technique, ref, sizes)
        else:
            steps = [(rate / (1 - state.betas[0])).clone() for _ in weights]
        for block, step in zip(weights, steps, strict=True):
            moved = technique.prox(block, step)
            if moved is not block:
                block.copy_(moved)

    def _projection(self, state: WeightState) -> None:
        state.carried = {name: list(draws) for name, draws in state.carried.items()}
        for technique, target in self._of(Scaling | Projection, state.context):  # type: ignore[arg-type]
            for ref in target.refs if state.due[target.number] else ():
                if isinstance(technique, Scaling):
                    self._scale(technique, ref, state.weights)
                elif isinstance(technique, Projection):
                    self._project(technique, ref, state.weights, state.carried[f"{target.number} {ref.name}"])

    def _scale(self, technique: Scaling, ref: WeightRef, weights: list[Tensor]) -> None:
        for w in ref.blocks(weights[self.index[id(ref.tensor)]]):
            norm = torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True)
            w.mul_(technique.scale(norm))

    def _project(self, technique: Projection, ref: WeightRef, weights: list[Tensor], carried: list[Draw]) -> None:
        for i, block in enumerate(self._blocks(technique, ref, weights)):
            moved, carried[i] = technique.project(block, carried[i])
            if moved is not block:
                block.copy_(moved)

    # ---- tensors of targets --------------------------------------------------------------------

    def _of(self, kind: type, context: StepContext) -> Iterator[tuple[Any, WeightTarget]]:
        """The techniques of a type with the strengths of this step, and their targets."""
        for target in self.targets:
            if isinstance(target.technique, kind):
                yield context.resolve(target.technique, _site(target)), target

    def _blocks(self, technique: OnWeights, ref: WeightRef, tensors: Sequence[Tensor]) -> list[Tensor]:
        return blocks(technique, ref, tensors[self.index[id(ref.tensor)]])

    def _with_gradient(self, refs: list[WeightRef]) -> list[WeightRef]:
        return [ref for ref in refs if self.index[id(ref.tensor)] not in self.unused]

    def _numbers(self, refs: list[WeightRef]) -> list[int]:
        """The numbers of the tensors with a gradient."""
        return [self.index[id(ref.tensor)] for ref in self._with_gradient(refs)]


def _site(target: WeightTarget) -> SiteKey:
    return SiteKey("weights", target.number)
