"""Permutation: the segments of a series are reordered."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.interpolate import take_steps
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.augmentation import probability_knob
from goodfit.technique import knob


class Permutation(ValueTransform):
    """Cuts a series into segments of equal length and joins them in a random order.

    Formula: time step t belongs to segment ⌊t · segments / time⌋. The order of the segments is uniform over all orders,
    including the original one. Nothing changes inside a segment. All channels are reordered together.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: the relevant pattern occurs anywhere in the series (periodic movements).
    Hurts when: the class depends on the order. The cuts add jumps that no real series has.

    >>> order = torch.tensor([[2, 3, 0, 1]])
    >>> Permutation(segments=2).transform(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), (order,), Inputs("series"))
    tensor([[[3., 4., 1., 2.]]])

    Differs from the paper: all segments have the same length, as in Iwana and Uchida's survey (PLOS ONE, 2021).
    """

    references = (
        Reference(
            authors=("T. T. Um", "et al."),
            title=(
                "Data augmentation of wearable sensor data for Parkinson's disease monitoring using "
                "convolutional neural networks"
            ),
            venue="ICMI",
            year=2017,
            url="https://arxiv.org/abs/1706.00527",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("series",)
    segments: int = knob(
        default=4,
        low=2,
        high=float("inf"),
        search=(2, 8),
        unit="segments",
        doc="number of segments",
    )
    p: float = probability_knob(0.5)

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        rows, time = len(x), x.shape[2]
        rank = torch.empty(rows, self.segments, dtype=torch.float32, device=x.device).uniform_(generator=generator)
        segment = torch.arange(time, device=x.device) * self.segments // time
        return (rank[:, segment].argsort(dim=1, stable=True),)  # source of each time step (batch, time)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return take_steps(x, draw[0])
