"""Time warp: series whose speed changes smoothly."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.interpolate import interpolate_linear
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class TimeWarp(ValueTransform):
    """Plays a series at a speed that changes smoothly; its ends stay where they are.

    Formula: the speed at time t is exp(stddev · c(t)); c is a cubic spline through knots + 2 values ~ N(0, 1) at evenly
    spaced times, ends among them. The series is read at the times ∫ speed, scaled so that the last is its end, straight
    between its values. All channels alike.

    Shape: x (batch, channels, time); it keeps its shape and dtype.

    Helps when: the same happens at different pace: gestures, gait, spoken words, heart beats.
    Hurts when: speed or frequency tells the class.

    >>> x = torch.arange(5.0).reshape(1, 1, 5)
    >>> all_faster = TimeWarp(0.5).transform(x, (torch.ones(1, 6),), Inputs("series"))  # then nothing changes
    >>> all_faster.round(decimals=3)
    tensor([[[0., 1., 2., 3., 4.]]])

    Differs from the paper: speeds are exp(stddev · c), not 1 + stddev · c, so that time never runs backwards; all
    channels are warped alike.
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
        default=0.2,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.05, 0.8),
        neutral=0.0,
        unit="standard deviation of the logarithm of the speed",
        doc="how much the speed changes",
    )
    knots: int = knob(
        default=4,
        low=0,
        high=float("inf"),
        search=(1, 8),
        unit="times between the ends",
        doc="how often the speed changes",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (torch.empty(len(x), self.knots + 2, dtype=torch.float32, device=x.device).normal_(generator=generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        span = x.shape[2] - 1
        if span < 1:
            return x
        curve = draw[0] @ torch.tensor(_spline(draw[0].shape[-1], span), dtype=x.dtype, device=x.device)
        behind = (self.stddev * curve).exp().cumsum(1)  # (batch, span)
        return interpolate_linear(x, torch.cat([torch.zeros_like(behind[:, :1]), behind * span / behind[:, -1:]], 1))


@lru_cache(maxsize=64)
def _spline(values: int, steps: int) -> list[list[float]]:
    """The cubic spline through evenly spaced values, as a matrix (values, steps): in the middle of each step."""
    from scipy.interpolate import CubicSpline

    found = CubicSpline(np.linspace(0, steps, values), np.eye(values))(np.arange(steps) + 0.5)
    rows: list[list[float]] = found.T.tolist()
    return rows
