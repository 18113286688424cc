"""Spectral decoupling: a penalty on the logits."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss
from goodfit.technique import knob


class SpectralDecoupling(OnLoss):
    """Penalizes the squared logits, so that one easy feature does not prevent others from being learned.

    Formula: cost = loss + strength / 2 · ‖z‖², averaged over the samples, where z are the logits of a sample.

    Shape: output (batch, class), logits.

    Helps when: one easy feature explains the training data but not new data, or predictions are overconfident.
    Hurts when: the metric is the log loss on data that allow certainty, or label smoothing is used too (both keep the
    logits small).

    >>> forward = ForwardPass(abs, torch.zeros(2, 1), torch.tensor([0, 1]), torch.tensor([[3.0, -1.0], [0.0, 2.0]]))
    >>> SpectralDecoupling(0.1).term(forward, ())
    tensor(0.3500)
    """

    references = (
        Reference(
            authors=("M. Pezeshki", "et al."),
            title="Gradient starvation: a learning proclivity in neural networks",
            venue="NeurIPS",
            year=2021,
            url="https://arxiv.org/abs/2011.09468",
        ),
    )
    needs_targets: ClassVar[str] = "labels"
    strength: float = knob(
        default=1e-3,
        low=0,
        search=(1e-4, 1e-1),
        log=True,
        neutral=0.0,
        unit="loss per squared logit",
        doc="λ, weight of ½ ‖z‖² in the cost",
    )

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        squares = forward.output.square()
        return self.strength * 0.5 * (squares.sum(1) if squares.ndim > 1 else squares).mean()
