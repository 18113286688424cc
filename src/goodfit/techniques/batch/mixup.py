"""MixUp: blend pairs of samples."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import blend
from goodfit.ops.sampling import symmetric_beta
from goodfit.reference import Reference
from goodfit.stages import BatchTransform, Draw
from goodfit.stages.column_groups import categorical_columns, share_within_groups
from goodfit.technique import knob


class MixUp(BatchTransform):
    """Blends each sample and its target with those of another sample of the batch.

    Formula: x ← λ x + (1 − λ) x′ and y ← λ y + (1 − λ) y′, where (x′, y′) is a random partner from the same batch.
    λ ~ Beta(alpha, alpha) is drawn per sample and replaced by max(λ, 1 − λ). alpha = 0 leaves the batch unchanged. A
    category of a table (the columns that encode it) is that of x with probability λ and that of x′ otherwise, so that
    its expectation is the blend; with categories = "blend", its columns are averaged like numbers.

    Shape: x (batch, …), y (batch, class) or (batch, outputs). Shapes and dtypes do not change.

    Helps when: the training set is small and the classes are well separated. It improves calibration.
    Hurts when: the average of two inputs is meaningless (for example integer codes in columns that are not declared as
    categories).

    >>> draw = (torch.tensor([0.75, 0.75]), torch.tensor([1, 0]))
    >>> MixUp(0.2).transform_batch(torch.tensor([[0.0], [4.0]]), torch.eye(2), draw, Inputs())[0].flatten()
    tensor([1., 3.])

    Differs from the paper: λ is drawn per sample, not per batch, and is at least ½; a category of a table is drawn, not
    averaged.
    """

    references = (
        Reference(
            authors=("H. Zhang", "M. Cisse", "Y. N. Dauphin", "D. Lopez-Paz"),
            title="mixup: beyond empirical risk minimization",
            venue="ICLR",
            year=2018,
            url="https://arxiv.org/abs/1710.09412",
        ),
    )
    needs_floats: ClassVar[bool] = True
    alpha: float = knob(
        default=0.2,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.05, 1.0),
        log=True,
        neutral=0.0,
        unit="Beta shape",
        doc="α of the Beta(α, α) distribution of λ; larger values blend more",
    )
    categories: str = knob(
        default="draw",
        choices=("draw", "blend"),
        doc="draw: a category of a table is that of one of the two rows; blend: it is averaged like a number",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        partner = torch.randperm(len(x), generator=generator, device=x.device)
        lam = symmetric_beta(self.alpha, len(x), generator, x.dtype, x.device, folded=True)
        if x.ndim > 2 or self.categories == "blend":
            return lam, partner
        return lam, partner, torch.empty(x.shape, dtype=torch.float32, device=x.device).uniform_(generator=generator)

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        lam, partner, *noise = draw
        mixed = blend(x, lam, partner)
        if noise and inputs.groups:
            sampled = torch.where(share_within_groups(noise[0], inputs) < lam[:, None], x, x[partner])
            mixed = torch.where(categorical_columns(x.shape[1], inputs, x.device), sampled, mixed)
        return mixed, blend(y, lam, partner)
