"""Confidence penalty: reward the entropy of the predictions."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss
from goodfit.technique import knob


class ConfidencePenalty(OnLoss):
    """Subtracts a multiple of the entropy of the predictions from the loss, so that the network stays less confident.

    Formula: cost = loss − beta · H(p), where H(p) = −Σ p log p over the classes, averaged over the samples, and p are
    the predicted probabilities (of both classes if a single logit represents two classes).

    Shape: output (batch, class), logits.

    Helps when: the network becomes certain about its training samples. It affects unlikely classes less than label
    smoothing does.
    Hurts when: the metric is the log loss on data that allow certainty, or label smoothing is used too.

    >>> forward = ForwardPass(abs, torch.zeros(1, 1), torch.tensor([0]), torch.zeros(1, 2))
    >>> ConfidencePenalty(1.0).term(forward, ())
    tensor(-0.6931)
    """

    references = (
        Reference(
            authors=("G. Pereyra", "et al."),
            title="Regularizing neural networks by penalizing confident output distributions",
            venue="ICLR workshop",
            year=2017,
            url="https://arxiv.org/abs/1701.06548",
        ),
    )
    needs_targets: ClassVar[str] = "labels"
    beta: float = knob(
        default=0.1,
        low=0,
        search=(0.01, 1.0),
        log=True,
        neutral=0.0,
        unit="loss per nat",
        doc="weight of the entropy in the cost",
    )

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        log_p = forward.log_probabilities()
        return self.beta * (log_p.exp() * log_p).sum(1).mean()
