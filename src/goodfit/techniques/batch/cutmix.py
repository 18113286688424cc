"""CutMix: a part of one sample put into another."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.data.masks import is_masks
from goodfit.ops.broadcast import blend
from goodfit.ops.masks import random_boxes, random_columns
from goodfit.ops.sampling import bernoulli, symmetric_beta
from goodfit.reference import Reference
from goodfit.stages import BatchTransform, Draw
from goodfit.stages.column_groups import one_per_group, share_within_groups
from goodfit.technique import knob


class CutMix(BatchTransform):
    """Replaces a part of each sample by that part of another one, and shares out the target by area.

    Formula: x ← x′ inside a region, x outside; y ← λ y + (1 − λ) y′, with 1 − λ the exact share of x that was
    replaced; (x′, y′) is a random partner of the same batch. The region of an image is a box of the image's
    proportions and the share 1 − λ₀, λ₀ ~ Beta(alpha, alpha), anywhere (what lies over the border is cut off); that of
    a table's row is a random subset of its columns, each with probability 1 − λ₀; the columns that tell one category
    together are one column in this, also for λ. Of masks the box is replaced as that of their images. Drawn per sample;
    a sample is left alone with probability 1 − p.

    Shape: x (batch, channel, space…) or (batch, features), y (batch, class) or (batch, outputs) or, masks, (batch,
    class, height, width).

    Helps when: rows are few and what decides the class is spread over the input; in tables with many columns.
    Hurts when: the deciding part is small (the box may hide it), or columns only mean something together.

    >>> draw = (torch.tensor([[False, False, True, False], [False] * 4]), torch.tensor([1, 0]))
    >>> x, y = CutMix().transform_batch(torch.tensor([[0.0] * 4, [1.0] * 4]), torch.eye(2), draw, Inputs())
    >>> x[0], y[0]
    (tensor([0., 0., 1., 0.]), tensor([0.7500, 0.2500]))

    Differs from the paper: drawn per sample, not per batch; the box's sides are rounded to the nearest pixel, not down;
    a category of a table is exchanged as a whole.
    """

    references = (
        Reference(
            authors=("S. Yun", "et al."),
            title="CutMix: regularization strategy to train strong classifiers with localizable features",
            venue="ICCV",
            year=2019,
            url="https://arxiv.org/abs/1905.04899",
        ),
        Reference(
            authors=("A. Kadra", "M. Lindauer", "F. Hutter", "J. Grabocka"),
            title="Well-tuned simple nets excel on tabular datasets",
            venue="NeurIPS",
            year=2021,
            topic="for tables",
            url="https://arxiv.org/abs/2106.11189",
        ),
    )
    needs_floats: ClassVar[bool] = True
    alpha: float = knob(
        default=1.0,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.2, 2.0),
        log=True,
        neutral=0.0,
        unit="shape of Beta",
        doc="shape of the kept share's distribution; 1: uniform",
    )
    p: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        unit="probability",
        doc="probability that a sample is changed at all",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        rows, space = len(x), x.shape[2:]
        partner = torch.randperm(rows, generator=generator, device=x.device)
        share = 1 - symmetric_beta(self.alpha, rows, generator, torch.float32, x.device)
        share = share * bernoulli(self.p, rows, generator, x.device)
        if not space:
            return random_columns(share, x.shape[1], generator), partner
        side = share[:, None] ** (1 / len(space))  # (batch, 1)
        lengths = (side * torch.tensor(space, dtype=side.dtype, device=x.device)).round().long()
        return random_boxes(space, lengths, generator).unsqueeze(1), partner

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        inside, partner = draw  # (batch, 1, space…) or (batch, features)
        if is_masks(x, y):
            return torch.where(inside, x[partner], x), torch.where(inside, y[partner], y)
        kept = 1 - one_per_group(inside, inputs).flatten(1).to(y.dtype).mean(1)
        return torch.where(share_within_groups(inside, inputs), x[partner], x), blend(y, kept, partner)
