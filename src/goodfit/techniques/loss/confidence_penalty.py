"""Confidence penalty: predictions that keep some entropy."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss
from goodfit.technique import knob


class ConfidencePenalty(OnLoss):
    """Subtracts a multiple of the predictions' entropy from the loss, so that the network stays less sure of itself.

    Formula: cost = loss − beta · H(p), H(p) = −Σ p log p over the classes, the mean over the rows; p the predicted
    probabilities (of both classes where one logit stands for two).

    Shape: output (batch, class), logits.

    Helps when: the network becomes certain on its training rows; gentler than label smoothing on wrong classes.
    Hurts when: the metric is a log-loss on data that allow certainty; together with label smoothing.

    >>> seen = ForwardPass(abs, torch.zeros(1, 1), torch.tensor([0]), torch.zeros(1, 2))
    >>> ConfidencePenalty(1.0).term(seen, ())
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
        doc="the weight of the entropy in the cost",
    )

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        log_p = forward.log_probabilities()
        return self.beta * (log_p.exp() * log_p).sum(1).mean()
