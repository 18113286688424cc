"""CutMix: replace a region of each sample by the same region of another sample."""

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
from goodfit.stages.augmentation import probability_knob
from goodfit.stages.column_groups import one_per_group, share_within_groups
from goodfit.technique import knob


class CutMix(BatchTransform):
    """Replaces a random region of each sample by that of another sample and mixes the targets by area.

    Formula: x ← x′ inside the region; y ← λ y + (1 − λ) y′, where (x′, y′) is a random partner from the same batch and
    1 − λ is the exact fraction of x that was replaced. λ₀ ~ Beta(alpha, alpha) is drawn per sample. Images: a box with
    the proportions of the image, the area fraction 1 − λ₀ and a uniformly random centre; the part outside the image is
    cut off. Tables: each column independently with probability 1 − λ₀; the columns that encode one category are
    replaced together and count as one column in λ. Segmentation masks: the box is replaced in the image and in its
    mask. A sample is unchanged with probability 1 − p.

    Shape: x (batch, channel, space…) or (batch, features); y (batch, class), (batch, outputs) or, for masks, (batch,
    class, height, width).

    Helps when: the training set is small and the information about the class is spread over the input; tables with many
    columns.
    Hurts when: the part that decides the class is small (the box may hide it), or columns are meaningful only in
    combination.

    >>> draw = (torch.tensor([[False, False, True, False], [False] * 4]), torch.tensor([1, 0]))
    >>> x, y = CutMix().transform_batch(torch.tensor([[0.0] * 4, [1.0] * 4]), torch.eye(2), draw, Inputs())
    >>> x[0], y[0]
    (tensor([0., 0., 1., 0.]), tensor([0.7500, 0.2500]))

    Differs from the paper: λ₀ is drawn per sample, not per batch; the sides of the box are rounded to the nearest
    pixel, not down; a category of a table is exchanged as a whole.
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
        unit="Beta shape",
        doc="α of the Beta(α, α) distribution of λ₀, the fraction to keep; 1: uniform",
    )
    p: float = probability_knob(1.0)

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        rows, space = len(x), x.shape[2:]
        partner = torch.randperm(rows, generator=generator, device=x.device)
        fraction = 1 - symmetric_beta(self.alpha, rows, generator, torch.float32, x.device)
        fraction = fraction * bernoulli(self.p, rows, generator, x.device)
        if not space:
            return random_columns(fraction, x.shape[1], generator), partner
        side = fraction[:, None] ** (1 / len(space))  # (batch, 1)
        lengths = (side * torch.tensor(space, dtype=side.dtype, device=x.device)).round().long()
        return random_boxes(space, lengths, generator).unsqueeze(1), partner

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        inside, partner = draw  # (batch, 1, space…) or (batch, features)
        if is_masks(x, y):
            return torch.where(inside, x[partner], x), torch.where(inside, y[partner], y)
        lam = 1 - one_per_group(inside, inputs).flatten(1).to(y.dtype).mean(1)
        return torch.where(share_within_groups(inside, inputs), x[partner], x), blend(y, lam, partner)
