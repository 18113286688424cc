"""Runs the OnEval stage: keeps averaged weights and builds the network that is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.models.ensemble import EnsembleModel
from goodfit.stages import AveragedWeights, Clock, Ensemble, OnEval, ResettingAverage, acts_now
from goodfit.surgery import copy_module
from goodfit.train.evaluate import chunk_size


@dataclass(frozen=True)
class AveragingStep:
    """What an OnEval technique does in one step."""

    updates: bool = True  # whether it includes the current weights
    resets: bool = False  # whether training continues from the averaged weights

    @classmethod
    def of(cls, technique: OnEval | None, clock: Clock) -> AveragingStep:
        """What the technique does in the step at this clock."""
        updates = technique is not None and acts_now(technique, clock)
        return cls(updates, isinstance(technique, ResettingAverage) and technique.resets(clock))


def average(
    technique: OnEval, state: list[Tensor], weights: Sequence[Tensor], clock: Clock, step: AveragingStep
) -> tuple[list[Tensor], list[Tensor] | None]:
    """One step of an average. Returns its next state, and the weights from which training continues, None: its own."""
    if step.updates:
        state = technique.update(state, weights, clock)
    if not (step.resets and isinstance(technique, ResettingAverage)):
        return state, None
    return technique.reset_state(state), technique.weights(state)


def single_averaging(techniques: Sequence[OnEval]) -> OnEval | None:
    """A recipe's only OnEval technique, if it has one.

    Raises:
        InputError: the recipe has several.
    """
    if len(techniques) > 1:
        names = ", ".join(t.name() for t in techniques)
        raise InputError(f"recipe: only one technique may choose the weights to keep, got {names}; keep one.")
    return techniques[0] if techniques else None


@dataclass
class WeightAverager:
    """Keeps the state of an OnEval technique, and a copy of the network to hold the averaged weights."""

    technique: OnEval
    trained: nn.Module
    copy: nn.Module
    state: list[Tensor]
    task: str

    @classmethod
    def of(cls, model: nn.Module, techniques: Sequence[OnEval], task: str) -> WeightAverager | None:
        """The averager for a recipe's OnEval technique, if it has one."""
        technique = single_averaging(techniques)
        if technique is None:
            return None
        return cls(technique, model, copy_module(model), technique.start(list(model.parameters())), task)

    @torch.no_grad()
    def update(self, clock: Clock) -> None:
        """Include the weights after an optimizer step; reset them if the technique does so in this step."""
        weights = list(self.trained.parameters())
        step = AveragingStep.of(self.technique, clock)
        self.state, restart = average(self.technique, self.state, weights, clock, step)
        for parameter, w in zip(weights, restart, strict=True) if restart else ():
            parameter.copy_(w)

    def network(self, x: Tensor | None) -> nn.Module:
        """The network to evaluate; its batch norm statistics are recomputed on training rows x (n, …).

        Raises:
            InputError: the network has batch norm, and x is None.
        """
        if isinstance(self.technique, Ensemble):
            members = [copy_module(self._filled(w, x)) for w in self.technique.members(self.state)]
            return EnsembleModel(members, self.task)
        assert isinstance(self.technique, AveragedWeights)
        return self._filled(self.technique.weights(self.state), x)

    @torch.no_grad()
    def _filled(self, weights: Sequence[Tensor], x: Tensor | None) -> nn.Module:
        """The copy of the network with these weights."""
        for parameter, w in zip(self.copy.parameters(), weights, strict=True):
            parameter.copy_(w)
        for buffer, b in zip(self.copy.buffers(), self.trained.buffers(), strict=True):
            buffer.copy_(b)
        if surgery.has_batch_norm(self.copy):
            if x is None:
                raise InputError(
                    f"{type(self.technique).__name__}: batch norm statistics must be recomputed for averaged weights; "
                    "give the training rows: data=(x, y)."
                )
            _recompute_statistics(self.copy, [rows for rows in x.split(chunk_size(x)) if len(rows) > 1])
        return self.copy

    def state_tensors(self) -> dict[str, Tensor]:
        """The state, from which a run can be resumed."""
        return {str(i): tensor for i, tensor in enumerate(self.state)}

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state_tensors`."""
        self.state = [tensors[str(i)] for i in range(len(tensors))]


def _recompute_statistics(network: nn.Module, batches: Sequence[Tensor]) -> None:
    """Recompute the running statistics of batch norm as means over the batches.

    Like `torch.optim.swa_utils.update_bn`, except that frozen layers keep their statistics, as in training.
    """
    surgery.set_train_mode(network)
    norms = [m for m in network.modules() if isinstance(m, _NormBase) and m.training and m.running_mean is not None]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a mean over all batches
    for batch in batches:
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
