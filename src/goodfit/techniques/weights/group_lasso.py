"""Group lasso: set whole groups of weights to zero."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import ProximalPenalty, selector
from goodfit.technique import knob

NEWTON_STEPS = 8  # reaches double precision, even if step sizes differ by 20 orders of magnitude


class GroupLasso(ProximalPenalty):
    """Adds the penalty λ Σ_g √|g| ‖w_g‖ over groups g of weights to the loss and sets whole groups to exactly zero.

    Formula: cost = loss + strength · Σ_g √|g| · ‖w_g‖₂, where |g| is the number of weights in a group; if all weights
    of a group are equal, it equals L1. After each optimizer step w ← argmin over u of Σ ½ (u − w)² / step + penalty(u),
    where `step` is the optimizer's own step size of each weight. With κ = strength · √|g|, a group becomes zero if
    ‖w_g / step‖ ≤ κ; otherwise w ← w · r / (r + κ · step), where r is the root of Σ w² / (r + κ · step)² = 1
    (for a single step size: w · (1 − κ · step / ‖w_g‖)).

    Shape: any weight tensor, units first. over="inputs": a group holds all weights that leave one input (an input
    channel of a convolution, a dimension of an embedding); over="units": all weights that enter one unit. Each element
    of a bias is a separate group. Each gate of a recurrent layer is treated separately.

    Helps when: whole inputs or hidden units are useless and should be identified or removed.
    Hurts when: each input matters to some units only (use L1), because a group is kept or dropped as a whole.

    >>> w = torch.tensor([[3.0, 0.1], [4.0, 0.1]])
    >>> GroupLasso(0.5).value(w)
    tensor(3.6355)
    >>> GroupLasso(0.5).prox(w, step=2**0.5)
    tensor([[2.4000, 0.0000],
            [3.2000, 0.0000]])

    Differs from the paper: a proximal step instead of Scardapane's subgradients, so that the zeros are exact.
    """

    references = (
        Reference(
            authors=("M. Yuan", "Y. Lin"),
            title="Model selection and estimation in regression with grouped variables",
            venue="JRSS B",
            volume="68",
            number="1",
            year=2006,
            url="https://doi.org/10.1111/j.1467-9868.2005.00532.x",
        ),
        Reference(
            authors=("S. Scardapane", "D. Comminiello", "A. Hussain", "A. Uncini"),
            title="Group sparse regularization for deep neural networks",
            venue="Neurocomputing",
            volume="241",
            year=2017,
            url="https://arxiv.org/abs/1607.00485",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    every: ClassVar[int] = 48
    strength: float = knob(
        default=1e-5,
        low=0,
        search=(1e-6, 1e-2),
        log=True,
        neutral=0.0,
        unit="loss per |w|",
        doc="λ, weight of Σ √|g| ‖w_g‖ in the cost",
    )
    over: str = knob(
        default="inputs",
        choices=("inputs", "units"),
        doc="what forms a group: the weights that leave one input, or that enter one unit",
    )
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        if w.ndim < 2:
            return self.strength * w.abs().sum()
        axes, size = self._groups(w)
        norms: Tensor = torch.linalg.vector_norm(w, dim=axes)
        return self.strength * math.sqrt(size) * norms.sum()

    def prox(self, w: Tensor, step: Tensor | float) -> Tensor:
        if w.ndim < 2:
            column = step.reshape(-1, 1) if isinstance(step, Tensor) and step.ndim else step
            return self.prox(w.reshape(-1, 1), column).reshape(w.shape)
        axes, size = self._groups(w)
        threshold = step * (self.strength * math.sqrt(size))
        if isinstance(threshold, Tensor) and threshold.ndim:
            norm = _shrunken_norm(w, threshold, axes)
            return w.mul_(norm / (norm + threshold).clamp(min=torch.finfo(w.dtype).tiny))
        norm = torch.linalg.vector_norm(w, dim=axes, keepdim=True)
        return w.mul_((1 - (threshold / norm).nan_to_num(nan=0.0)).clamp(min=0))

    def _groups(self, w: Tensor) -> tuple[tuple[int, ...], int]:
        """The dimensions that make up a group, and the number of weights in one."""
        axis = 1 if self.over == "inputs" else 0
        return tuple(d for d in range(w.ndim) if d != axis), w.numel() // w.shape[axis]


def _shrunken_norm(w: Tensor, threshold: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The norm r of each group after the proximal step: the root of Σ w² / (r + threshold)² = 1, or 0 if there is none.

    Newton's method on (Σ w² / (r + threshold)²)^(−½), which is concave and nearly linear in r: from a lower bound it
    increases monotonically to the root. The lower bound comes from Jensen's inequality, or from the largest term.
    """
    tiny = torch.finfo(w.dtype).tiny
    square = w.square()
    total = square.sum(axes, keepdim=True)
    mean = (square * threshold).sum(axes, keepdim=True) / total.clamp(min=tiny)
    norm = torch.maximum(total.sqrt() - mean, (w.abs() - threshold).amax(axes, keepdim=True)).clamp(min=0)
    threshold = threshold.clamp(min=tiny)
    distance, terms = torch.empty_like(threshold), torch.empty_like(w)  # allocating costs more than the arithmetic
    for _ in range(NEWTON_STEPS):
        distance.copy_(threshold).add_(norm)
        terms.copy_(w).div_(distance)
        terms.mul_(terms)
        value = terms.sum(axes, keepdim=True)
        slope = terms.div_(distance).sum(axes, keepdim=True).clamp(min=tiny)
        norm = (norm + value * (value.sqrt() - 1) / slope).clamp(min=0)
    return norm
