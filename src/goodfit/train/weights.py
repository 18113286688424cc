"""The OnWeights stage of a step: closed-form penalties, decay and projections on the tensors they select."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Decay, OnWeights, Penalty, Projection, Proximal, Quadratic
from goodfit.train.optimizers import make, step_size
from goodfit.train.settings import Training


@dataclass
class WeightStage:
    """Which techniques act on which tensors, and the optimizer that carries the quadratic ones."""

    optimizer: Optimizer
    penalties: list[tuple[Penalty, list[Tensor]]]
    proximals: list[tuple[Proximal, list[nn.Parameter]]]
    decays: list[tuple[Decay, list[nn.Parameter]]]
    projections: list[tuple[Projection, list[surgery.Slot]]]
    before: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def build(cls, model: nn.Module, recipe: Recipe, training: Training) -> WeightStage:
        """Resolve every selector once and make the optimizer."""
        chosen = [(t, _trainable(model, t)) for t in recipe.at(OnWeights)]
        coupled: dict[int, float] = defaultdict(float)
        for technique, slots in chosen:
            if isinstance(technique, Quadratic):
                for slot in slots:
                    coupled[id(slot.tensor)] += technique.coefficient()
        return cls(
            make(_groups(model, coupled), training),
            penalties=[(t, [s.tensor for s in slots]) for t, slots in chosen if isinstance(t, Penalty)],
            proximals=[(t, [s.tensor for s in slots]) for t, slots in chosen if isinstance(t, Proximal)],
            decays=[(t, [s.tensor for s in slots]) for t, slots in chosen if isinstance(t, Decay)],
            projections=[(t, _rows(t, slots)) for t, slots in chosen if isinstance(t, Projection)],
        )

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Decay, the optimizer's step, the proximal steps, the projections: in this order."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        for decay, tensors in self.decays:
            self._decay(decay, tensors, learning_rate)
        self.optimizer.step()
        for decay, tensors in self.decays:
            if decay.agrees_only():
                self._decay_where_it_agrees(decay, tensors, learning_rate)
        for proximal, tensors in self.proximals:
            for w in tensors:
                w.copy_(proximal.prox(w, step_size(self.optimizer, w)))
        for projection, slots in self.projections:
            project(projection, slots)

    def _decay(self, decay: Decay, tensors: Sequence[nn.Parameter], learning_rate: float) -> None:
        if decay.agrees_only():
            self.before |= {id(w): w.detach().clone() for w in tensors}
        else:
            torch._foreach_mul_([w for w in tensors if w.grad is not None], decay.factor(learning_rate))

    def _decay_where_it_agrees(self, decay: Decay, tensors: Sequence[nn.Parameter], learning_rate: float) -> None:
        for w in tensors:
            if w.grad is None:
                continue
            before = self.before[id(w)]
            agrees = (w - before) * before <= 0
            w.sub_(before * agrees, alpha=1 - decay.factor(learning_rate))

    @torch.no_grad()
    def values(self) -> dict[str, float]:
        """The value of each penalty now, as columns of the History."""
        columns: dict[str, float] = defaultdict(float)
        for penalty, tensors in self.penalties:
            columns[f"penalty_{penalty.name()}"] += sum(float(penalty.value(w)) for w in tensors)
        return dict(columns)


def project(projection: Projection, slots: Sequence[surgery.Slot]) -> None:
    """Scale the groups of weights that lie outside; what lies inside is not touched."""
    for slot in slots:
        w = slot.tensor
        norm = torch.linalg.vector_norm(w, dim=projection.axes(slot.unit, w.ndim), keepdim=True)
        scale = projection.scale(norm)
        # Reading one flag is free on a CPU and spares a pass over the weights; elsewhere it would wait for the device.
        if w.device.type != "cpu" or bool((scale != 1).any()):
            w.mul_(scale)


def _trainable(model: nn.Module, technique: OnWeights) -> list[surgery.Slot]:
    who = type(technique).__name__
    chosen = surgery.select(model, technique.on, who)
    trainable = [slot for slot in chosen if slot.tensor.requires_grad]
    if not trainable:
        names = ", ".join(slot.name for slot in chosen[:5])
        raise InputError(f"{who}: every tensor that on={technique.on!r} selects is frozen ({names}); unfreeze one.")
    return trainable


def _rows(technique: Projection, slots: Sequence[surgery.Slot]) -> list[surgery.Slot]:
    fitting = [slot for slot in slots if slot.tensor.ndim > 1]
    if not fitting:
        raise InputError(
            f"{type(technique).__name__}: on must choose weights of two or more dimensions, got on={technique.on!r}."
        )
    return fitting


def _groups(model: nn.Module, coupled: dict[int, float]) -> list[dict[str, object]]:
    by_decay: dict[float, list[nn.Parameter]] = defaultdict(list)
    for parameter in model.parameters():
        if parameter.requires_grad:
            by_decay[coupled.get(id(parameter), 0.0)].append(parameter)
    if not by_decay:
        raise InputError("model: no parameter is trainable (requires_grad is False everywhere); unfreeze some.")
    return [{"params": params, "weight_decay": decay} for decay, params in by_decay.items()]
