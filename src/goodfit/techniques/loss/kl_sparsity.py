"""KL sparsity: a penalty that keeps the mean activation of hidden units near a target."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss, selector
from goodfit.technique import knob

EDGE = 0.01


class KLSparsity(OnLoss):
    """Penalizes hidden units whose mean activation differs from a small target value (sparsity).

    Formula: cost = loss + beta · Σ KL(rho ‖ m) over the hidden units, where m is the mean of a unit over the batch and
    KL(rho ‖ m) = rho · log(rho / m) + (1 − rho) · log((1 − rho) / (1 − m)). For m below 0.01 and above 0.99 it is
    continued along its tangent, so that it is finite and has a gradient at every mean.

    Shape: activations (batch, …); each position of a map or sequence counts as a separate unit.

    Helps when: hidden units are sigmoids that should each represent something rare (autoencoders).
    Hurts when: units are unbounded (ReLU): their mean has no natural scale, and units become small instead of sparse;
    use `ActivityL1`. Batches with far fewer than 1 / rho samples estimate m poorly.

    >>> hidden = (torch.tensor([[0.5, 0.05], [0.5, 0.05]]),)
    >>> forward = ForwardPass(abs, torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, 1), activations=hidden)
    >>> KLSparsity(rho=0.05, beta=1.0).term(forward, ())
    tensor(0.4946)

    Differs from the paper: m is the mean over a batch, not over all training rows; the tangents are an addition.
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
    accumulates_exactly: ClassVar[bool] = False
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
        doc="target for the mean activation of each unit",
    )
    beta: float = knob(
        default=1e-3,
        low=0,
        search=(1e-4, 1.0),
        log=True,
        neutral=0.0,
        unit="loss per nat",
        doc="weight of Σ KL in the cost",
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
