"""MixUp: training on blends of two samples."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.stages import Change, Draw
from goodfit.stages.draws import beta, blend
from goodfit.technique import knob


class MixUp(Change):
    """Blends each sample, and its target, with another one of the batch.

    Formula: x ← λ x + (1 − λ) x′, y ← λ y + (1 − λ) y′, where (x′, y′) is a random partner of the same batch and
    λ ~ Beta(alpha, alpha), folded to λ ≥ ½, drawn per sample. alpha = 0 leaves the batch as it is.

    Shape: x (batch, …), y (batch, class) or (batch, outputs); both keep their shape and dtype.

    Helps when: rows are few and classes lie apart; improves calibration.
    Hurts when: the average of two inputs is meaningless (category codes; tables with many one-hot columns).

    >>> draw = (torch.tensor([0.75, 0.75]), torch.tensor([1, 0]))
    >>> MixUp(0.2).batch(torch.tensor([[0.0], [4.0]]), torch.eye(2), draw)[0].flatten()
    tensor([1., 3.])

    Reference: H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, mixup: beyond empirical risk minimization, ICLR 2018,
    https://arxiv.org/abs/1710.09412
    Differs from the paper: λ is drawn per sample, not per batch, and folded so that the first sample weighs more.
    """

    inputs: ClassVar[str] = "floats"
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
        partner = torch.randperm(len(x), generator=generator, device=x.device)
        return beta(self.alpha, len(x), generator, x.dtype, x.device, folded=True), partner

    def batch(self, x: Tensor, y: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        return blend(x, *draw), blend(y, *draw)
