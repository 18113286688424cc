"""MixUp: training on blends of two samples."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.stages import Draw, OnBatch
from goodfit.technique import knob


class MixUp(OnBatch):
    """Blends each sample, and its target, with another one of the batch.

    Formula: x ← λ x + (1 − λ) x′, y ← λ y + (1 − λ) y′, where (x′, y′) is a random partner of the same batch and
    λ ~ Beta(alpha, alpha), folded to λ ≥ ½, drawn per sample. alpha = 0 leaves the batch as it is.

    Shape: x (batch, …), y (batch, class) or (batch, outputs); both keep their shape and dtype.

    Helps when: rows are few and classes lie apart; improves calibration.
    Hurts when: the average of two inputs is meaningless (category codes; tables with many one-hot columns).

    >>> draw = (torch.tensor([0.75, 0.75]), torch.tensor([1, 0]))
    >>> MixUp(0.2).batch(torch.tensor([[0.0], [4.0]]), torch.eye(2), draw)[0].flatten()
    tensor([1., 3.])

    Reference: H. Zhang et al., mixup: beyond empirical risk minimization, ICLR 2018, https://arxiv.org/abs/1710.09412
    Differs from the paper: λ is drawn per sample, not per batch, and folded so that the first sample weighs more.
    """

    alpha: float = knob(
        default=0.2,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.05, 1.0),
        log=True,
        neutral=0.0,
        unit="shape of Beta",
        doc="how strongly samples are blended",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        rows = len(x)
        partner = torch.randperm(rows, generator=generator, device=x.device)
        if self.alpha == 0:
            return torch.ones(rows, dtype=x.dtype, device=x.device), partner
        # Beta is the share of one of two Gamma(alpha) variables, which underflow at a small alpha. Their logarithms do
        # not: Gamma(alpha) = Gamma(alpha + 1) · U^(1 / alpha). `_standard_gamma` is the sampler that takes a generator.
        shape = torch.full((2, rows), self.alpha + 1.0, dtype=torch.float64, device=x.device)
        log_gamma = torch._standard_gamma(shape, generator=generator).log()
        log_u = torch.log1p(-torch.empty_like(shape).uniform_(generator=generator))
        odds = (log_gamma[0] - log_gamma[1]) + (log_u[0] - log_u[1]) / self.alpha
        return torch.sigmoid(odds.abs()).to(x.dtype), partner

    def batch(self, x: Tensor, y: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        share, partner = draw
        return _blend(x, share, partner), _blend(y, share, partner)


def _blend(values: Tensor, share: Tensor, partner: Tensor) -> Tensor:
    weight = share.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return weight * values + (1 - weight) * values[partner]
