"""Runs the OnWeights stage in place: penalties, decay and constraints around an optimizer's step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import (
    Clock,
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
from goodfit.stages.weight_targets import Cadence, WeightTarget, blocks, weight_targets
from goodfit.train.optimizers import is_adaptive, step_size
from goodfit.train.phases import Phase


class WeightUpdater:
    """Updates weights in place: the optimizer's step and the OnWeights techniques around it, phase by phase."""

    def __init__(
        self,
        targets: Sequence[WeightTarget],
        optimizer: Optimizer,
        group_penalties: Sequence[tuple[QuadraticPenalty, ...]] | None = None,
        call_optimizer: Callable[[], Any] | None = None,
    ) -> None:
        """`group_penalties`: the quadratic penalties that each parameter group's `weight_decay` applies; None: they
        are added to the gradients. `call_optimizer`: called in place of `optimizer.step()`."""
        self.targets, self.optimizer, self.group_penalties = targets, optimizer, group_penalties
        self.call_optimizer = call_optimizer or optimizer.step
        self.groups = {id(p): i for i, group in enumerate(optimizer.param_groups) for p in group["params"]}
        self.cadences = [Cadence(target.interval) for target in targets]
        self.due: list[list[float]] = [[] for _ in targets]  # learning rates of the steps for which each target acts
        self.before_step: list[tuple[Decay, list[tuple[Tensor, Tensor]]]] = []
        self.scratch: dict[int, Tensor] = {}
        self.carried = _start_projections(targets)
        self.handlers: dict[Phase, Callable[[Clock], None]] = {
            Phase.SMOOTH_PENALTIES: self._smooth_penalties,
            Phase.DECAY: self._decay,
            Phase.COUPLED_L2: self._coupled_l2,
            Phase.OPTIMIZER: self._optimizer,
            Phase.CAUTIOUS_DECAY: self._cautious_decay,
            Phase.PROXIMAL: self._proximal,
            Phase.PROJECTION: self._projection,
        }

    @classmethod
    def with_own_optimizer(
        cls,
        model: nn.Module,
        recipe: Recipe,
        make_optimizer: Callable[[list[dict[str, object]]], Optimizer],
        learned: Sequence[nn.Parameter] = (),
    ) -> WeightUpdater:
        """Make an optimizer whose parameter groups apply the quadratic penalties as `weight_decay`, at no cost.

        Raises:
            InputError: a technique finds no tensor to act on, or no parameter is trainable.
        """
        targets = weight_targets(model, recipe.at(OnWeights))
        parameters = [*model.parameters(), *learned]
        grouped = _group_by_penalties([p for p in parameters if p.requires_grad], targets)
        if not grouped:
            raise InputError(
                f"model: no parameter is trainable, got requires_grad=False for all {len(parameters)}; unfreeze some."
            )
        groups: list[dict[str, object]] = [
            {"params": p, "weight_decay": _coefficient(q, 0.0)} for q, p in grouped.items()
        ]
        optimizer = make_optimizer(groups)
        timed = [target.with_interval(is_adaptive(optimizer)) for target in targets]
        return cls(timed, optimizer, list(grouped))

    @classmethod
    def with_users_optimizer(
        cls, model: nn.Module, recipe: Recipe, optimizer: Optimizer, call_optimizer: Callable[[], Any]
    ) -> WeightUpdater:
        """Use the user's optimizer, whose parameter groups stay as they are.

        Raises:
            InputError: the optimizer holds no tensor on which a technique acts.
        """
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        targets = [target.restricted(held) for target in weight_targets(model, recipe.at(OnWeights))]
        return cls(targets, optimizer, None, call_optimizer)

    # ---- the phases ----------------------------------------------------------------------------

    def _smooth_penalties(self, clock: Clock) -> None:
        for technique, refs in self._of(SmoothPenalty):
            for ref, grad in [(r, r.tensor.grad) for r in refs if r.tensor.grad is not None]:
                for block, part in zip(blocks(technique, ref), blocks(technique, ref, grad), strict=True):
                    part.add_(technique.at(clock.progress).gradient(block))

    def _decay(self, clock: Clock) -> None:
        """Shrink the weights. For cautious decay the weights before the step are only recorded."""
        self.before_step = []
        for technique, refs in self._of(Decay):
            decay, live = technique.at(clock.progress), [r.tensor for r in refs if r.tensor.grad is not None]
            if decay.is_cautious():
                self.before_step.append((decay, [(w, w.detach().clone()) for w in live]))
                continue
            by_rate: dict[float, list[Tensor]] = defaultdict(list)
            for w in live:
                by_rate[self._learning_rate(w)].append(w)
            for rate, tensors in by_rate.items():
                torch._foreach_mul_(tensors, decay.factor(rate))

    def _coupled_l2(self, clock: Clock) -> None:
        """Set each group's `weight_decay`, or, in the user's optimizer, add c · w to the gradients."""
        if self.group_penalties is not None:
            for group, penalties in zip(self.optimizer.param_groups, self.group_penalties, strict=True):
                group["weight_decay"] = _coefficient(penalties, clock.progress)
            return
        for technique, refs in self._of(QuadraticPenalty):
            live = [(r.tensor.detach(), r.tensor.grad) for r in refs if r.tensor.grad is not None]
            if live:
                weights, grads = zip(*live, strict=True)
                torch._foreach_add_(grads, weights, alpha=technique.at(clock.progress).coefficient())

    def _optimizer(self, clock: Clock) -> None:
        self.call_optimizer()
        rate = float(self.optimizer.param_groups[0]["lr"])
        self.due = [cadence.advance(rate, clock) for cadence in self.cadences]

    def _cautious_decay(self, clock: Clock) -> None:
        for decay, tensors in self.before_step:
            for w, before in tensors:
                shrunk = (w - before) * before <= 0
                w.sub_(before * shrunk, alpha=1 - decay.factor(self._learning_rate(w)))

    def _proximal(self, clock: Clock) -> None:
        for target, rates in zip(self.targets, self.due, strict=True):
            if rates and isinstance(target.technique, ProximalPenalty):
                proximal = target.technique.at(clock.progress)
                for ref in target.refs:
                    self._prox(proximal, ref, rates)

    def _prox(self, proximal: ProximalPenalty, ref: surgery.WeightRef, rates: list[float]) -> None:
        if ref.tensor.grad is None:
            return
        w = ref.tensor
        out = self.scratch.setdefault(id(w), torch.empty_like(w))
        rate = sum(rates) if len(rates) > 1 else self._learning_rate(w)
        step = step_size(self.optimizer, self.group(w), w, rate, out)
        pairs: list[tuple[Tensor, Tensor | float]]
        if isinstance(step, Tensor):
            pairs = list(zip(blocks(proximal, ref), blocks(proximal, ref, step), strict=True))
        else:
            pairs = [(block, step) for block in blocks(proximal, ref)]
        for block, size in pairs:
            moved = proximal.prox(block, size)
            if moved is not block:
                block.copy_(moved)

    def _projection(self, clock: Clock) -> None:
        for target, rates in zip(self.targets, self.due, strict=True):
            technique = target.technique
            for ref in target.refs if rates else ():
                if isinstance(technique, Scaling):
                    scale_units(technique.at(clock.progress), ref)
                elif isinstance(technique, Projection):
                    self._project(technique.at(clock.progress), target.number, ref)

    def _project(self, technique: Projection, number: int, ref: surgery.WeightRef) -> None:
        carried = self.carried[number, ref.name]
        for i, block in enumerate(blocks(technique, ref)):
            moved, carried[i] = technique.project(block, carried[i])
            if moved is not block:
                block.copy_(moved)

    # ---- values and state ----------------------------------------------------------------------

    def _of(self, kind: type[Any]) -> list[tuple[Any, list[surgery.WeightRef]]]:
        """The techniques of a type with their tensors."""
        return [(t.technique, t.refs) for t in self.targets if isinstance(t.technique, kind)]

    def group(self, w: Tensor) -> dict[str, Any]:
        """The optimizer's parameter group of a tensor."""
        return self.optimizer.param_groups[self.groups[id(w)]]

    def _learning_rate(self, w: Tensor) -> float:
        return float(self.group(w)["lr"])

    @torch.no_grad()
    def penalties(self, progress: float = 0.0) -> dict[str, float]:
        """The current value of each penalty, as columns of the History: `penalty_NAME`."""
        columns: dict[str, float] = defaultdict(float)
        for technique, refs in self._of(Penalty):
            penalty = technique.at(progress)
            columns[f"penalty_{penalty.name()}"] += sum(
                float(penalty.value(b)) for r in refs for b in blocks(penalty, r)
            )
        return dict(columns)

    def state_tensors(self) -> dict[str, Tensor]:
        """The states of projections, from which a run can be resumed."""
        return {
            f"{number}.{name}.{i}.{j}": t
            for (number, name), states in self.carried.items()
            for i, draw in enumerate(states)
            for j, t in enumerate(draw)
        }

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `state_tensors`."""
        for (number, name), states in self.carried.items():
            for i, draw in enumerate(states):
                states[i] = tuple(tensors[f"{number}.{name}.{i}.{j}"] for j in range(len(draw)))


def _group_by_penalties(
    parameters: Sequence[nn.Parameter], targets: Sequence[WeightTarget]
) -> dict[tuple[QuadraticPenalty, ...], list[nn.Parameter]]:
    """The parameters by the quadratic penalties that act on them."""
    penalties: dict[int, tuple[QuadraticPenalty, ...]] = defaultdict(tuple)
    for target in targets:
        if isinstance(target.technique, QuadraticPenalty):
            for ref in target.refs:
                penalties[id(ref.tensor)] += (target.technique,)
    grouped: dict[tuple[QuadraticPenalty, ...], list[nn.Parameter]] = defaultdict(list)
    for parameter in parameters:
        grouped[penalties.get(id(parameter), ())].append(parameter)
    return grouped


def _start_projections(targets: Sequence[WeightTarget]) -> dict[tuple[int, str], list[Draw]]:
    """The states of projections before the first step: number of the technique and name of the tensor → blocks."""
    return {
        (target.number, ref.name): [target.technique.start(b.detach()) for b in blocks(target.technique, ref)]
        for target in targets
        if isinstance(target.technique, Projection)
        for ref in target.refs
    }


def scale_units(technique: Scaling, ref: surgery.WeightRef) -> None:
    """Scale the groups of weights whose norms violate the constraint; the others keep their bits."""
    for w in ref.blocks():
        norm = torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True)
        # Reading one flag is free on a CPU and saves a pass over the weights; elsewhere it would wait for the device.
        if w.device.type != "cpu" or technique.is_violated(norm):
            w.mul_(technique.scale(norm))


def _coefficient(penalties: Sequence[QuadraticPenalty], progress: float) -> float:
    return float(sum(q.at(progress).coefficient() for q in penalties))
