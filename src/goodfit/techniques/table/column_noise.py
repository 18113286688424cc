"""Column noise: Gaussian noise is added to the numbers of a table."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.column_groups import categorical_columns
from goodfit.technique import knob


class ColumnNoise(ValueTransform):
    """Adds Gaussian noise to the numeric columns of a row; categories and missing-value indicators do not change.

    Formula: x_j ← x_j + stddev · z_j, z_j ~ N(0, 1), for every numeric column j. stddev is in units of the column's
    standard deviation over the training rows, by which preprocessing divides it.

    Shape: x (batch, column). Shape and dtype do not change.

    Helps when: numbers are measurements and there are few rows.
    Hurts when: the exact value matters (ranks, small counts, codes), or a column is 0 in most rows.

    >>> draw = (torch.tensor([[1.0, 1.0, -1.0]]),)
    >>> ColumnNoise(0.1).transform(torch.tensor([[0.5, 0.0, 1.0]]), draw, Inputs(groups=((1, 3),)))
    tensor([[0.6000, 0.0000, 1.0000]])
    """

    references = (
        Reference(
            authors=("C. M. Bishop",),
            title="Training with noise is equivalent to Tikhonov regularization",
            venue="Neural Computation",
            volume="7",
            year=1995,
            url="https://doi.org/10.1162/neco.1995.7.1.108",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    stddev: float = knob(
        default=0.1,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.01, 0.5),
        log=True,
        neutral=0.0,
        unit="standard deviations of the column",
        doc="standard deviation of the noise",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        noisy = x + self.stddev * draw[0]
        return torch.where(categorical_columns(x.shape[1], inputs, x.device), x, noisy) if inputs.groups else noisy
