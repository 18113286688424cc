"""Networks that are random in evaluation too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.linter import LintMessage
from goodfit.train.losses import probe

ROWS = 64


def restless(network: nn.Module, x: Tensor) -> list[LintMessage]:
    """What to say of a network whose output for a few rows differs between two passes in evaluation mode.

    >>> print(*restless(nn.Dropout(0.5), torch.ones(2, 3)))
    <BLANKLINE>
    """
    one, two = (probe(network, x[:ROWS]) for _ in range(2))
    if torch.allclose(one, two, rtol=1e-3, atol=1e-6, equal_nan=True):  # some kernels round otherwise each time
        return []
    reason = (
        "its output differs between two passes in evaluation mode, so that every measure of it is noisy: something "
        "random in it is always on, such as F.dropout without training=self.training"
    )
    return [LintMessage("warning", (), (), reason, "", "let it follow the network's mode, or take nn.Dropout")]
