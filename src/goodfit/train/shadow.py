"""The network with the averaged weights, kept beside the one that is trained; nothing is swapped or undone."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.stages import OnEval
from goodfit.train.evaluate import ROWS


@dataclass
class Shadow:
    """A second copy of the network that holds what an OnEval technique keeps."""

    technique: OnEval
    live: nn.Module
    copy: nn.Module
    state: list[Tensor]

    @classmethod
    def of(cls, model: nn.Module, techniques: Sequence[OnEval]) -> Shadow | None:
        """The shadow for a recipe's OnEval technique, if it has one."""
        if not techniques:
            return None
        if len(techniques) > 1:
            names = ", ".join(t.name() for t in techniques)
            raise InputError(f"recipe: only one technique may choose the weights to keep, got {names}; keep one.")
        return cls(techniques[0], model, copy.deepcopy(model), techniques[0].start(list(model.parameters())))

    def update(self, step: int, steps_per_epoch: int) -> None:
        """Take in the weights after an optimizer step."""
        self.state = self.technique.update(self.state, list(self.live.parameters()), step, steps_per_epoch)

    @torch.no_grad()
    def network(self, x: Tensor) -> nn.Module:
        """The network to evaluate; running statistics are recomputed for it on training rows x."""
        for parameter, w in zip(self.copy.parameters(), self.technique.weights(self.state), strict=True):
            parameter.copy_(w)
        for buffer, b in zip(self.copy.buffers(), self.live.buffers(), strict=True):
            buffer.copy_(b)
        if surgery.has_batch_norm(self.copy):
            update_bn([rows for rows in x.split(ROWS) if len(rows) > 1], self.copy)
        return self.copy

    def tensors(self) -> dict[str, Tensor]:
        """The state by number."""
        return {str(i): tensor for i, tensor in enumerate(self.state)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        self.state = [tensors[str(i)] for i in range(len(tensors))]
