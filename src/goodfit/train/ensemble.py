"""Several networks that predict together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from goodfit.surgery import copy_module


class EnsembleModel(nn.Module):
    """The mean prediction of several networks: of probabilities for classes, of outputs for numbers.

    Shape: x (batch, …) → (batch, outputs), of masks (batch, outputs, height, width). For classes the outputs are logits
    of the mean probabilities.
    """

    def __init__(self, members: Sequence[nn.Module], task: str) -> None:
        super().__init__()
        self.committee = nn.ModuleList(members)
        self.task = task

    def forward(self, x: Tensor) -> Tensor:
        """The members' mean."""
        outputs = torch.stack([member(x) for member in self.committee])  # (member, batch, output)
        if self.task == "regression":
            return outputs.mean(0)
        if outputs.ndim == 2 or outputs.shape[2] == 1:  # one logit: that of the second of two classes
            return torch.logit(torch.sigmoid(outputs).mean(0))
        return torch.log_softmax(outputs, 2).exp().mean(0).log()


def holding(network: nn.Module, weights: Mapping[str, Tensor], task: str) -> nn.Module:
    """The network with these weights; a committee of its copies where they are those of a committee."""
    network = network.committee[0] if isinstance(network, EnsembleModel) else network
    numbers = {name.split(".")[1] for name in weights if name.startswith("committee.")}
    if numbers and not any(name.startswith("committee.") for name in network.state_dict()):
        network = EnsembleModel([copy_module(network) for _ in numbers], task)
    network.load_state_dict(weights)
    return network
