"""Jitter: Gaussian noise is added to series."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Jitter(ValueTransform):
    """Adds Gaussian noise to every value of a series, in units of each channel's standard deviation.

    Formula: x_ct ← x_ct + stddev · s_c · z_ct, z_ct ~ N(0, 1), where s_c is the standard deviation of channel c over
    all values in the batch.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: sensors are noisy and there are few series.
    Hurts when: the class depends on small, fast changes (tremor, vibrations).

    >>> Jitter(0.5).transform(torch.tensor([[[3.0, -3.0]]]), (torch.tensor([[[1.0, 2.0]]]),), Inputs("series"))
    tensor([[[4.5000, 0.0000]]])

    Differs from the paper: the noise is in units of each channel's standard deviation, so that channels may have any
    units.
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
    independent_samples: ClassVar[bool] = False
    stddev: float = knob(
        default=0.05,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.01, 0.3),
        log=True,
        neutral=0.0,
        unit="standard deviations of the channel",
        doc="standard deviation of the noise",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        spread = x.std((0, 2), correction=0, keepdim=True)  # (1, channels, 1)
        return x + self.stddev * spread * draw[0]
