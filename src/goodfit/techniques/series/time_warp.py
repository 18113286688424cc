"""Time warp: the speed of a series changes smoothly."""

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
    """Plays a series at a smoothly varying random speed; its two ends stay in place.

    Formula: the speed at time t is exp(stddev · c(t)), where c is a cubic spline through knots + 2 values ~ N(0, 1) at
    equally spaced times, including both ends. The series is linearly interpolated at the times ∫ speed, scaled to the
    length of the series. All channels are warped together.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: the same event happens at different pace (gestures, gait, spoken words, heartbeats).
    Hurts when: the class depends on speed or frequency.

    >>> x = torch.arange(5.0).reshape(1, 1, 5)
    >>> all_faster = TimeWarp(0.5).transform(x, (torch.ones(1, 6),), Inputs("series"))  # then nothing changes
    >>> all_faster.round(decimals=3)
    tensor([[[0., 1., 2., 3., 4.]]])

    Differs from the paper: speeds are exp(stddev · c) instead of 1 + stddev · c, so that time never runs backwards; all
    channels are warped together.
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
        doc="how much the speed varies",
    )
    knots: int = knob(
        default=4,
        low=0,
        high=float("inf"),
        search=(1, 8),
        unit="points between the ends",
        doc="number of points at which the speed is drawn",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (torch.empty(len(x), self.knots + 2, dtype=torch.float32, device=x.device).normal_(generator=generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        span = x.shape[2] - 1
        if span < 1:
            return x
        curve = draw[0] @ torch.tensor(_spline(draw[0].shape[-1], span), dtype=x.dtype, device=x.device)
        elapsed = (self.stddev * curve).exp().cumsum(1)  # (batch, span)
        return interpolate_linear(x, torch.cat([torch.zeros_like(elapsed[:, :1]), elapsed * span / elapsed[:, -1:]], 1))


@lru_cache(maxsize=64)
def _spline(values: int, steps: int) -> list[list[float]]:
    """The cubic spline through equally spaced values, evaluated in the middle of each step: a matrix (value, step)."""
    from scipy.interpolate import CubicSpline

    matrix = CubicSpline(np.linspace(0, steps, values), np.eye(values))(np.arange(steps) + 0.5)
    rows: list[list[float]] = matrix.T.tolist()
    return rows
