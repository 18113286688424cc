"""CutOut: a part of each sample hidden."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.masks import random_boxes, random_columns
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.column_groups import share_within_groups
from goodfit.technique import knob


class CutOut(ValueTransform):
    """Sets a part of each sample to zero, the mean of standardised inputs; targets stay.

    Formula: x ← 0 inside a region, with probability p per sample. The region of an image is a square with sides of
    `size` times the image's shorter side, all channels alike, centred anywhere (what lies over the border is cut off);
    that of a sequence a stretch of it; that of a table's row each of its columns with probability `size`. The columns
    that tell one category together are hidden together: then the row has none of the known categories.

    Shape: x (batch, channel, space…) or (batch, features); it keeps its shape and dtype.

    Helps when: rows are few and the network leans on one part of the input.
    Hurts when: what decides the class is small; inputs are not standardised (zero is then no neutral value).

    >>> inside = torch.tensor([[True, False, False], [False, True, True]])
    >>> CutOut(size=0.5).transform(torch.ones(2, 3), (inside,), Inputs()).sum(1)
    tensor([2., 1.])

    Differs from the paper: a sample is left alone with probability 1 − p. Random erasing fills with noise instead.
    """

    references = (
        Reference(
            authors=("T. DeVries", "G. W. Taylor"),
            title="Improved regularization of convolutional neural networks with cutout",
            venue="arXiv",
            year=2017,
            url="https://arxiv.org/abs/1708.04552",
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
    aliases: ClassVar[tuple[str, ...]] = ("random_erasing",)
    cheap_when_neutral: ClassVar[bool] = True
    may_leave_range: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = ("table", "series", "sound", "image", "video")
    size: float = knob(
        default=0.25,
        low=0,
        high=1,
        search=(0.05, 0.5),
        neutral=0.0,
        unit="share of the shorter side (of the columns)",
        doc="side of the square, or share of the columns, that is hidden",
    )
    p: float = knob(
        default=0.5,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        kw_only=True,
        unit="probability",
        doc="probability that a sample is changed at all",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        rows, space = len(x), x.shape[2:]
        if not space:
            share = torch.full((rows,), self.size, dtype=torch.float32, device=x.device)
            return (random_columns(share, x.shape[1], generator),)
        length = torch.full((rows, len(space)), round(self.size * min(space)), device=x.device)
        return (random_boxes(space, length, generator).unsqueeze(1),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return x.masked_fill(share_within_groups(draw[0], inputs), 0.0)
