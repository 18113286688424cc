"""R-Drop: a penalty on the difference between two forward passes with dropout."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss
from goodfit.technique import knob


class RDrop(OnLoss):
    """Penalizes the disagreement between the predictions of two forward passes with independent dropout noise.

    Formula: cost = loss + alpha · ½ (KL(p ‖ q) + KL(q ‖ p)), averaged over the samples, where p and q are the predicted
    probabilities of the first and second pass over the same batch. Regression: cost = loss + alpha · (p − q)², averaged
    over samples and outputs. If the network has no noise, the term is zero.

    Shape: output (batch, class), logits, or (batch, outputs), numbers.

    Helps when: dropout is strong, so that training and evaluation differ much.
    Hurts when: time is short: each step computes two forward passes.

    >>> second = torch.tensor([[0.0, 1.0]])
    >>> forward = ForwardPass(lambda x: second, torch.zeros(1, 1), torch.tensor([0]), torch.tensor([[1.0, 0.0]]))
    >>> RDrop(1.0).term(forward, ())
    tensor(0.4621)

    Differs from the paper: the data loss is that of the first pass only. The paper adds the losses of both passes, so
    that its alpha is twice ours; the authors' code uses their mean, so that its alpha equals ours. The term for
    regression is an addition.
    """

    references = (
        Reference(
            authors=("X. Liang", "et al."),
            title="R-Drop: regularized dropout for neural networks",
            venue="NeurIPS",
            year=2021,
            url="https://arxiv.org/abs/2106.14448",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    accumulates_exactly: ClassVar[bool] = False
    needs_noise: ClassVar[bool] = True
    alpha: float = knob(
        default=1.0,
        low=0,
        search=(0.1, 5.0),
        log=True,
        neutral=0.0,
        unit="loss per nat",
        doc="weight of the disagreement in the cost",
    )

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        second = forward.network(forward.x)
        if forward.frequencies is None and forward.y.is_floating_point():  # regression
            return self.alpha * (forward.output - second).square().mean()
        log_p, log_q = forward.log_probabilities(), forward.log_probabilities(second)
        # KL(p ‖ q) + KL(q ‖ p) = Σ (p − q) (log p − log q)
        both = (log_p.exp() - log_q.exp()) * (log_p - log_q)
        return self.alpha * 0.5 * both.sum(1).mean()
