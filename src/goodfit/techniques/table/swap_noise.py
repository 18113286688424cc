"""Swap noise: single values of a row are replaced by those of other rows."""

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
    """Replaces a random fraction of each row's values by those of other rows in the batch; targets do not change.

    Formula: x_j ← x′_j with probability `rate`, independently for each column j, where x′ is another row of the batch,
    drawn uniformly for each column. The one-hot columns of a category are replaced together.

    Shape: x (batch, column). Shape and dtype do not change.

    Helps when: there are many redundant columns: the network must not rely on a single one. All values remain values
    that occur in their column.
    Hurts when: few columns are relevant and the rest is noise: the target then no longer follows from the row.

    >>> draw = (torch.tensor([[0.05, 0.9], [0.5, 0.9]]), torch.tensor([[1, 1], [0, 0]]))
    >>> SwapNoise(0.1).transform(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), draw, Inputs())
    tensor([[3., 2.],
            [3., 4.]])

    Differs from the paper: other rows are those of the batch; each column is drawn independently, instead of a fixed
    number of columns; the network learns the target from the changed row instead of the original row.
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
        unit="fraction",
        doc="fraction of the columns that are replaced",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        rows = len(x)
        noise = torch.empty(x.shape, dtype=torch.float32, device=x.device).uniform_(generator=generator)
        offset = torch.randint(1, max(2, rows), x.shape, generator=generator, device=x.device)  # to another row
        return noise, (torch.arange(rows, device=x.device)[:, None] + offset) % rows

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        noise, donor = (share_within_groups(values, inputs) for values in draw)
        return torch.where(noise < self.rate, x.gather(0, donor), x)
