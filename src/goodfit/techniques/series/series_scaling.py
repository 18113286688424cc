"""Series scaling: the amplitude of each channel changes at random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class SeriesScaling(ValueTransform):
    """Multiplies each channel of a series by a random factor.

    Formula: x_c ← x_c · (1 + stddev · z_c), z_c ~ N(0, 1) per sample and channel. 0 does not change; after
    standardization it is the mean of the training data.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: the amplitude differs between people, sensors or sensor positions.
    Hurts when: the class depends on the amplitude, or on the ratio between channels.

    >>> x, z = torch.tensor([[[1.0, -2.0], [4.0, 0.0]]]), torch.tensor([[[1.0], [-0.5]]])
    >>> SeriesScaling(0.5).transform(x, (z,), Inputs("series"))
    tensor([[[ 1.5000, -3.0000],
             [ 3.0000,  0.0000]]])
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
    stddev: float = knob(
        default=0.1,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.02, 0.5),
        log=True,
        neutral=0.0,
        unit="fraction of the amplitude",
        doc="standard deviation of the factors around 1",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (torch.empty(*x.shape[:2], 1, dtype=torch.float32, device=x.device).normal_(generator=generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return x * (1 + self.stddev * draw[0])
