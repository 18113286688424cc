"""The OnWeights stage of a step: closed-form penalties, decay and projections on the tensors they select."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

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
    inapplicable_reason,
)
from goodfit.train.optimizers import adaptive, step_size

T = TypeVar("T", bound=OnWeights)
WeightRefs = list[surgery.WeightRef]
LARGE = 100_000
"""From so many weights on `OnWeights.every` is followed: a pass over them costs as much as the optimizer's."""


@dataclass
class WeightUpdater:
    """Which techniques act on which tensors, around an optimizer's step."""

    chosen: list[tuple[OnWeights, WeightRefs]]
    optimizer: Optimizer
    folded: list[tuple[QuadraticPenalty, ...]] | None
    """The quadratic penalties that each parameter group's `weight_decay` carries; None: they are added to gradients."""
    groups: dict[int, int] = field(default_factory=dict)  # tensor → the number of its parameter group
    carried: dict[tuple[int, str], list[Draw]] = field(default_factory=dict)  # of projections
    spare: dict[int, Tensor] = field(default_factory=dict)
    every: dict[int, int] = field(default_factory=dict)  # technique's number → steps between two times that it acts
    waiting: dict[int, list[float]] = field(default_factory=dict)
    """Technique's number → learning rates of the steps since it acted."""

    @classmethod
    def own(
        cls,
        model: nn.Module,
        recipe: Recipe,
        make: Callable[[list[dict[str, object]]], Optimizer],
        learned: Sequence[nn.Parameter] = (),
    ) -> WeightUpdater:
        """Resolve every selector once and make the optimizer, which carries the quadratic penalties at no cost."""
        chosen = resolve(model, recipe)
        carriers: dict[int, tuple[QuadraticPenalty, ...]] = defaultdict(tuple)
        for technique, refs in chosen:
            if isinstance(technique, QuadraticPenalty):
                for ref in refs:
                    carriers[id(ref.tensor)] += (technique,)
        grouped: dict[tuple[QuadraticPenalty, ...], list[nn.Parameter]] = defaultdict(list)
        for parameter in [*model.parameters(), *learned]:
            if parameter.requires_grad:
                grouped[carriers.get(id(parameter), ())].append(parameter)
        if not grouped:
            raise InputError("model: no parameter is trainable (requires_grad is False everywhere); unfreeze some.")
        optimizer = make([{"params": p, "weight_decay": _coupled(q, 0.0)} for q, p in grouped.items()])
        return cls(chosen, optimizer, list(grouped))

    @classmethod
    def around(cls, model: nn.Module, recipe: Recipe, optimizer: Optimizer) -> WeightUpdater:
        """The stage around an optimizer of the user's, whose parameter groups stay as they are."""
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        chosen = []
        for technique, refs in resolve(model, recipe):
            stepped = [ref for ref in refs if id(ref.tensor) in held]
            if not stepped:
                names = ", ".join(ref.name for ref in refs[:5])
                raise InputError(
                    f"{type(technique).__name__}: the optimizer must hold a tensor that it acts on, found none of "
                    f"{names}; add them to the optimizer or choose others with on=."
                )
            chosen.append((technique, stepped))
        return cls(chosen, optimizer, None)

    def __post_init__(self) -> None:
        self.groups = {id(p): i for i, group in enumerate(self.optimizer.param_groups) for p in group["params"]}
        for number, (technique, refs) in enumerate(self.chosen):
            large = self.folded is not None and sum([s.tensor.numel() for s in refs]) > LARGE
            cheap = isinstance(technique, ProximalPenalty) and not adaptive(self.optimizer)
            self.every[number] = technique.every if large and not cheap else 1
            self.waiting[number] = []
        for number, (technique, refs) in enumerate(self.chosen):
            if isinstance(technique, Projection):
                for ref in refs:
                    self.carried[number, ref.name] = [technique.start(b.detach()) for b in blocks(technique, ref)]

    def of(self, kind: type[T]) -> list[tuple[T, WeightRefs]]:
        """The techniques of a kind with their tensors."""
        return [(t, refs) for t, refs in self.chosen if isinstance(t, kind)]

    @torch.no_grad()
    def step(self, clock: Clock, step: Callable[[], Any] | None = None) -> None:
        """Penalties' gradients, decay, the optimizer's step, the proximal steps, the projections: in this order."""
        done = clock.progress
        self._add_gradients(done)
        before = self._decay(done)
        if self.folded is None:
            self._add_quadratics(done)  # of decayed weights, as an optimizer that carries them adds them
        (step or self.optimizer.step)()
        for decay, tensors in before:
            self._decay_where_it_agrees(decay, tensors)
        for number, (technique, refs) in enumerate(self.chosen):
            rates = self._due(number, clock)
            for ref in refs if rates else ():
                if isinstance(technique, ProximalPenalty):
                    self._prox(technique.at(done), ref, rates)
        for number, (technique, refs) in enumerate(self.chosen):
            for ref in refs if not self.waiting[number] else ():
                if isinstance(technique, Scaling):
                    scale(technique.at(done), ref)
                elif isinstance(technique, Projection):
                    self._project(technique.at(done), number, ref)

    def _due(self, number: int, clock: Clock) -> list[float]:
        """The learning rates of the steps for which a technique now acts; none where it waits on.

        At an epoch's end nothing is left waiting.
        """
        rates = self.waiting[number]
        rates.append(float(self.optimizer.param_groups[0]["lr"]))
        if len(rates) < self.every[number] and not clock.ends_epoch:
            return []
        self.waiting[number] = []
        return rates

    def _add_gradients(self, done: float) -> None:
        if self.folded is not None:
            for group, quadratics in zip(self.optimizer.param_groups, self.folded, strict=True):
                group["weight_decay"] = _coupled(quadratics, done)
        for technique, refs in self.of(SmoothPenalty):
            for ref, grad in [(s, s.tensor.grad) for s in refs if s.tensor.grad is not None]:
                for block, part in zip(blocks(technique, ref), blocks(technique, ref, grad), strict=True):
                    part.add_(technique.at(done).gradient(block))

    def _add_quadratics(self, done: float) -> None:
        for technique, refs in self.of(QuadraticPenalty):
            live = [(s.tensor.detach(), s.tensor.grad) for s in refs if s.tensor.grad is not None]
            if live:
                weights, grads = zip(*live, strict=True)
                torch._foreach_add_(grads, weights, alpha=technique.at(done).coefficient())

    def _decay(self, done: float) -> list[tuple[Decay, list[tuple[Tensor, Tensor]]]]:
        """Shrink the weights; those that decay only in agreement with the step are returned as they were."""
        later: list[tuple[Decay, list[tuple[Tensor, Tensor]]]] = []
        for technique, refs in self.of(Decay):
            decay, live = technique.at(done), [s.tensor for s in refs if s.tensor.grad is not None]
            if decay.is_cautious():
                later.append((decay, [(w, w.detach().clone()) for w in live]))
                continue
            by_rate: dict[float, list[Tensor]] = defaultdict(list)
            for w in live:
                by_rate[self._rate(w)].append(w)
            for rate, tensors in by_rate.items():
                torch._foreach_mul_(tensors, decay.factor(rate))
        return later

    def _decay_where_it_agrees(self, decay: Decay, tensors: list[tuple[Tensor, Tensor]]) -> None:
        for w, before in tensors:
            agrees = (w - before) * before <= 0
            w.sub_(before * agrees, alpha=1 - decay.factor(self._rate(w)))

    def group(self, w: Tensor) -> dict[str, Any]:
        """The optimizer's parameter group of a tensor."""
        return self.optimizer.param_groups[self.groups[id(w)]]

    def _rate(self, w: Tensor) -> float:
        return float(self.group(w)["lr"])

    def _prox(self, proximal: ProximalPenalty, ref: surgery.WeightRef, rates: list[float]) -> None:
        if ref.tensor.grad is None:
            return
        w = ref.tensor
        out = self.spare.setdefault(id(w), torch.empty_like(w))
        rate = sum(rates) if len(rates) > 1 else self._rate(w)
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

    def _project(self, technique: Projection, number: int, ref: surgery.WeightRef) -> None:
        carried = self.carried[number, ref.name]
        for i, block in enumerate(blocks(technique, ref)):
            moved, carried[i] = technique.project(block, carried[i])
            if moved is not block:
                block.copy_(moved)

    @torch.no_grad()
    def values(self, done: float = 0.0) -> dict[str, float]:
        """The value of each penalty now, as columns of the History."""
        columns: dict[str, float] = defaultdict(float)
        for technique, refs in self.of(Penalty):
            penalty = technique.at(done)
            columns[f"penalty_{penalty.name()}"] += sum(
                float(penalty.value(b)) for s in refs for b in blocks(penalty, s)
            )
        return dict(columns)

    def tensors(self) -> dict[str, Tensor]:
        """What projections carry from step to step, for a run that goes on later."""
        return {
            f"{number}.{name}.{i}.{j}": t
            for (number, name), states in self.carried.items()
            for i, draw in enumerate(states)
            for j, t in enumerate(draw)
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        for (number, name), states in self.carried.items():
            for i, draw in enumerate(states):
                states[i] = tuple(tensors[f"{number}.{name}.{i}.{j}"] for j in range(len(draw)))


def blocks(technique: OnWeights, ref: surgery.WeightRef, like: Tensor | None = None) -> list[Tensor]:
    """The tensor (or one of its shape) as a technique sees it: views with units first, or as it is held."""
    return ref.blocks(like) if technique.needs_units else [ref.tensor if like is None else like]


def scale(technique: Scaling, ref: surgery.WeightRef) -> None:
    """Scale the groups of weights that lie outside; what lies inside is not touched."""
    for w in ref.blocks():
        norm = torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True)
        factor = technique.scale(norm)
        # Reading one flag is free on a CPU and spares a pass over the weights; elsewhere it would wait for the device.
        if w.device.type != "cpu" or bool((factor != 1).any()):
            w.mul_(factor)


def resolve(model: nn.Module, recipe: Recipe) -> list[tuple[OnWeights, WeightRefs]]:
    """Each OnWeights technique with the tensors that it acts on.

    Raises:
        InputError: there are none for one of them; the reasons by tensor.
    """
    chosen: list[tuple[OnWeights, WeightRefs]] = []
    for technique in recipe.at(OnWeights):
        who = type(technique).__name__
        refs = surgery.select(model, technique.on, who)
        acting = [ref for ref in refs if not inapplicable_reason(technique, ref)]
        if not acting:
            by_reason: dict[str, list[str]] = defaultdict(list)
            for ref in refs:
                by_reason[inapplicable_reason(technique, ref)].append(ref.name)
            reasons = "; ".join(f"{', '.join(names[:5])}: {why}" for why, names in by_reason.items())
            raise InputError(
                f"{who}: on must choose a tensor that it can act on, got on={technique.on!r} ({reasons}); choose "
                "others."
            )
        chosen.append((technique, acting))
    return chosen


def _coupled(quadratics: Sequence[QuadraticPenalty], done: float) -> float:
    return float(sum(q.at(done).coefficient() for q in quadratics))
