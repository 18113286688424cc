"""KL sparsity: hidden units that are active a given share of the time."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss, selector
from goodfit.technique import knob

EDGE = 0.01


class KLSparsity(OnLoss):
    """Pulls the mean activation of each hidden unit towards a small target.

    Formula: cost = loss + beta · Σ KL(rho ‖ m) over the hidden units, m a unit's mean over the batch, KL(rho ‖ m) =
    rho · log(rho / m) + (1 − rho) · log((1 − rho) / (1 − m)). Below m = 0.01 and above 0.99 it goes on along its
    tangent, so that it is finite and pulls from any mean.

    Shape: activations (batch, …); each position of a map or sequence is a unit of its own.

    Helps when: hidden units are sigmoids (autoencoders) that should each stand for something rare.
    Hurts when: units are unbounded (ReLU): a mean then has no natural scale, and units become quiet rather than rare;
    take `ActivityL1`. Batches much smaller than 1 / rho rows estimate m badly.

    >>> hidden = (torch.tensor([[0.5, 0.05], [0.5, 0.05]]),)
    >>> seen = ForwardPass(abs, torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, 1), activations=hidden)
    >>> KLSparsity(rho=0.05, beta=1.0).term(seen, ())
    tensor(0.4946)

    Differs from the paper: m is the mean over a batch, not over all training rows; the tangents.
    """

    references = (
        Reference(
            authors=("A. Ng",),
            title="Sparse autoencoder",
            venue="Stanford CS294A lecture notes",
            year=2011,
            url="https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf",
        ),
    )
    row_mean: ClassVar[bool] = False
    uses_activations: ClassVar[bool] = True
    rho: float = knob(
        default=0.05,
        low=0,
        high=1,
        open_left=True,
        open_right=True,
        search=(0.01, 0.2),
        log=True,
        unit="mean activation",
        doc="the mean activation that units are pulled to",
    )
    beta: float = knob(
        default=1e-3,
        low=0,
        search=(1e-4, 1.0),
        log=True,
        neutral=0.0,
        unit="loss per nat",
        doc="the weight of Σ KL in the cost",
    )
    on: str = selector()

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        return self.beta * torch.stack([_divergence(self.rho, h.mean(0)).sum() for h in forward.activations]).sum()


def _divergence(target: float, mean: Tensor) -> Tensor:
    rho = torch.as_tensor(target, dtype=mean.dtype, device=mean.device)
    m = mean.clamp(EDGE, 1 - EDGE)
    slope = (1 - rho) / (1 - m) - rho / m
    return rho * (rho / m).log() + (1 - rho) * ((1 - rho) / (1 - m)).log() + slope * (mean - m)
