"""Activity L2: a penalty on the squares of hidden activations."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss, selector
from goodfit.technique import knob


class ActivityL2(OnLoss):
    """Adds the penalty λ Σa² on the hidden activations a to the loss, so that no unit becomes very large.

    Formula: cost = loss + l2 · Σa² / batch: the sum over all hidden units (for maps and sequences also over all
    positions), averaged over the samples. a is the input of each selected layer, that is, the hidden units after their
    activation function; the network's own input is not penalized.

    Shape: activations (batch, …), any shape.

    Helps when: hidden activations grow during training (recurrent networks).
    Hurts when: a normalization layer follows (the network scales the activations down and back up again).

    >>> hidden = (torch.tensor([[1.0, -2.0], [0.0, 3.0]]),)
    >>> forward = ForwardPass(abs, torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, 1), activations=hidden)
    >>> ActivityL2(0.5).term(forward, ())
    tensor(3.5000)

    Differs from the paper: the sum over the units, as in Keras; the authors' code uses the mean.
    Differs from Keras: it penalizes the inputs of the selected layers; `activity_regularizer` penalizes the output of a
    layer.
    """

    references = (
        Reference(
            authors=("S. Merity", "B. McCann", "R. Socher"),
            title="Revisiting activation regularization for language RNNs",
            venue="arXiv",
            year=2017,
            url="https://arxiv.org/abs/1708.01009",
        ),
    )
    uses_activations: ClassVar[bool] = True
    l2: float = knob(
        default=1e-4,
        low=0,
        search=(1e-6, 1e-2),
        log=True,
        neutral=0.0,
        unit="loss per a²",
        doc="λ, weight of Σa² in the cost",
    )
    on: str = selector()

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        total = torch.stack([h.square().sum() for h in forward.activations]).sum()
        return self.l2 * total / len(forward.x)
