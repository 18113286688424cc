"""A network that averages the predictions of several networks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid


class EnsembleModel(nn.Module):
    """The mean prediction of several networks: of probabilities for classes, of outputs for numbers.

    Shape: x (batch, …) → (batch, outputs), for masks (batch, outputs, height, width). For classes the outputs are
    logits of the mean probabilities.
    """

    def __init__(self, members: Sequence[nn.Module], task: str) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.task = task

    def forward(self, x: Tensor) -> Tensor:
        """The mean over the members."""
        outputs = torch.stack([member(x) for member in self.members])  # (member, batch, output)
        if self.task == "regression":
            return outputs.mean(0)
        if outputs.ndim == 2 or outputs.shape[2] == 1:  # one logit: that of the second of two classes
            return logsigmoid(outputs).logsumexp(0) - logsigmoid(-outputs).logsumexp(0)
        return torch.log_softmax(outputs, 2).logsumexp(0) - math.log(len(outputs))
