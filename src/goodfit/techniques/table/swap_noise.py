"""Swap noise: single columns of a row replaced by those of other rows."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.column_groups import share_within_groups
from goodfit.technique import knob


class SwapNoise(ValueTransform):
    """Replaces a random share of each row's columns by those of other rows; targets stay.

    Formula: x_j ← x′_j with probability `rate`, for each column j on its own; x′ is another row of the batch, drawn
    evenly and anew for each column. The columns that tell one category together are one column in this.

    Shape: x (batch, columns); it keeps its shape and dtype.

    Helps when: columns are many and tell much the same: the network must not rely on a single one. Every value stays
    one that the column really has.
    Hurts when: few columns decide, and the rest is noise: then the target no longer follows from the row.

    >>> draw = (torch.tensor([[0.05, 0.9], [0.5, 0.9]]), torch.tensor([[1, 1], [0, 0]]))
    >>> SwapNoise(0.1).transform(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), draw, Inputs())
    tensor([[3., 2.],
            [3., 4.]])

    Differs from the paper: other rows are those of the batch; each column is drawn by itself, in place of a fixed
    number of columns; and the network learns the target from the changed row, in place of finding its original.
    """

    references = (
        Reference(
            authors=("D. Bahri", "H. Jiang", "Y. Tay", "D. Metzler"),
            title="SCARF: self-supervised contrastive learning using random feature corruption",
            venue="ICLR",
            year=2022,
            url="https://arxiv.org/abs/2106.15147",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    independent_samples: ClassVar[bool] = False
    rate: float = knob(
        default=0.1,
        low=0,
        high=1,
        search=(0.02, 0.4),
        neutral=0.0,
        unit="share",
        doc="share of the columns that are replaced",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        rows = len(x)
        noise = torch.empty(x.shape, dtype=torch.float32, device=x.device).uniform_(generator=generator)
        on = torch.randint(1, max(2, rows), x.shape, generator=generator, device=x.device)  # rows further on
        return noise, (torch.arange(rows, device=x.device)[:, None] + on) % rows

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        noise, donor = (share_within_groups(drawn, inputs) for drawn in draw)
        return torch.where(noise < self.rate, x.gather(0, donor), x)
