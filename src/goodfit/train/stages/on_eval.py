"""The network with the averaged weights, kept beside the one that is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.stages import AveragedWeights, Clock, Ensemble, OnEval, ResettingAverage, acts_now
from goodfit.surgery import copy_module
from goodfit.train.ensemble import EnsembleModel
from goodfit.train.evaluate import at_once


@dataclass
class WeightAverager:
    """A second copy of the network that holds what an OnEval technique keeps."""

    technique: OnEval
    live: nn.Module
    copy: nn.Module
    state: list[Tensor]
    task: str

    @classmethod
    def of(cls, model: nn.Module, techniques: Sequence[OnEval], task: str) -> WeightAverager | None:
        """The shadow for a recipe's OnEval technique, if it has one."""
        if not techniques:
            return None
        if len(techniques) > 1:
            names = ", ".join(t.name() for t in techniques)
            raise InputError(f"recipe: only one technique may choose the weights to keep, got {names}; keep one.")
        return cls(techniques[0], model, copy_module(model), techniques[0].start(list(model.parameters())), task)

    @torch.no_grad()
    def update(self, clock: Clock) -> None:
        """Take in the weights after an optimizer step."""
        technique, live = self.technique, list(self.live.parameters())
        if acts_now(technique, clock):
            self.state = technique.update(self.state, live, clock)
        if isinstance(technique, ResettingAverage) and technique.resets(clock):
            for parameter, w in zip(live, technique.weights(self.state), strict=True):
                parameter.copy_(w)
            self.state = technique.reset_state(self.state)

    def network(self, x: Tensor | None) -> nn.Module:
        """The network to evaluate; running statistics are recomputed for it on training rows x.

        Raises:
            InputError: it has running statistics, and there are no rows.
        """
        if isinstance(self.technique, Ensemble):
            members = [copy_module(self._filled(w, x)) for w in self.technique.members(self.state)]
            return EnsembleModel(members, self.task)
        assert isinstance(self.technique, AveragedWeights)
        return self._filled(self.technique.weights(self.state), x)

    @torch.no_grad()
    def _filled(self, weights: Sequence[Tensor], x: Tensor | None) -> nn.Module:
        for parameter, w in zip(self.copy.parameters(), weights, strict=True):
            parameter.copy_(w)
        for buffer, b in zip(self.copy.buffers(), self.live.buffers(), strict=True):
            buffer.copy_(b)
        if surgery.has_batch_norm(self.copy):
            if x is None:
                raise InputError(
                    f"{type(self.technique).__name__}: batch norms need their statistics anew for averaged weights; "
                    "give the training rows: data=(x, y)."
                )
            update_bn(
                [rows for rows in x.split(at_once(x)) if len(rows) > 1], self.copy, next(self.copy.parameters()).device
            )
        return self.copy

    def tensors(self) -> dict[str, Tensor]:
        """The state by number."""
        return {str(i): tensor for i, tensor in enumerate(self.state)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self.state = [tensors[str(i)] for i in range(len(tensors))]
