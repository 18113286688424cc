"""Activity L1: a penalty on the absolute values of hidden activations."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss, selector
from goodfit.technique import knob


class ActivityL1(OnLoss):
    """Adds the penalty λ Σ|a| on the hidden activations a to the loss, so that few units are active at a time.

    Formula: cost = loss + l1 · Σ|a| / batch: the sum over all hidden units (for maps and sequences also over all
    positions), averaged over the samples. a is the input of each selected layer, that is, the hidden units after their
    activation function; the network's own input is not penalized.

    Shape: activations (batch, …), any shape.

    Helps when: sparse representations are desired (ReLU units, autoencoders).
    Hurts when: a normalization layer follows (the network scales the activations down and back up again).

    >>> hidden = (torch.tensor([[1.0, -2.0], [0.0, 3.0]]),)
    >>> forward = ForwardPass(abs, torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, 1), activations=hidden)
    >>> ActivityL1(0.5).term(forward, ())
    tensor(1.5000)

    Differs from Keras: it penalizes the inputs of the selected layers; `activity_regularizer` penalizes the output of a
    layer.
    """

    references = (
        Reference(
            authors=("X. Glorot", "A. Bordes", "Y. Bengio"),
            title="Deep sparse rectifier neural networks",
            venue="AISTATS",
            year=2011,
            url="https://proceedings.mlr.press/v15/glorot11a.html",
        ),
    )
    uses_activations: ClassVar[bool] = True
    l1: float = knob(
        default=1e-4,
        low=0,
        search=(1e-6, 1e-2),
        log=True,
        neutral=0.0,
        unit="loss per |a|",
        doc="λ, weight of Σ|a| in the cost",
    )
    on: str = selector()

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        total = torch.stack([h.abs().sum() for h in forward.activations]).sum()
        return self.l1 * total / len(forward.x)
