"""CutOut: hide a random region of each sample."""

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
    """Sets a random region of each sample to zero, the mean of standardized inputs; targets do not change.

    Formula: x ← 0 inside the region, with probability p per sample. Images: a square with side `size` · (shorter side
    of the image), the same for all channels, with a uniformly random centre; the part outside the image is cut off.
    Clips: a cube over frames, height and width, built in the same way. Sequences: a contiguous stretch. Tables: each
    column independently with probability `size`; the columns that encode one category are hidden together, as if the
    category were unknown.

    Shape: x (batch, channel, space…) or (batch, features). Shape and dtype do not change.

    Helps when: the training set is small and the network relies on one part of the input.
    Hurts when: the part that decides the class is small, or inputs are not standardized (zero is then not a neutral
    value).

    >>> inside = torch.tensor([[True, False, False], [False, True, True]])
    >>> CutOut(size=0.5).transform(torch.ones(2, 3), (inside,), Inputs()).sum(1)
    tensor([2., 1.])

    Differs from the paper: a sample is unchanged with probability 1 − p. Random erasing fills the region with noise
    instead.
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
        unit="fraction",
        doc="side of the square relative to the shorter side of the image, or fraction of the columns, that is hidden",
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
            fraction = torch.full((rows,), self.size, dtype=torch.float32, device=x.device)
            return (random_columns(fraction, x.shape[1], generator),)
        length = torch.full((rows, len(space)), round(self.size * min(space)), device=x.device)
        return (random_boxes(space, length, generator).unsqueeze(1),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return x.masked_fill(share_within_groups(draw[0], inputs), 0.0)
