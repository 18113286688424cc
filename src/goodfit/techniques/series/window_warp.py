"""Window warp: a window of a series is played slower or faster."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.interpolate import interpolate_linear
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class WindowWarp(ValueTransform):
    """Stretches or compresses a random window of a series, then resamples the whole series to its length.

    Formula: the window has the fraction `size` of the series and starts anywhere. Its length is multiplied or divided
    by `factor`, with equal probability. The new series is linearly interpolated at as many equally spaced times as
    before. All channels are warped together.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: parts of a movement or an event vary in duration.
    Hurts when: the class depends on speed, frequency or the position in the series.

    >>> x = torch.arange(9.0).reshape(1, 1, 9)
    >>> WindowWarp(2.0, size=0.5).transform(x, (torch.tensor([-1.0]), torch.tensor([1.0])), Inputs("series")).tolist()
    [[[0.0, 0.75, 1.5, 2.25, 3.0, 3.75, 5.0, 6.5, 8.0]]]
    """

    references = (
        Reference(
            authors=("A. Le Guennec", "S. Malinowski", "R. Tavenard"),
            title="Data augmentation for time series classification using convolutional neural networks",
            venue="AALTD",
            year=2016,
            url="https://shs.hal.science/halshs-01357973",
        ),
        Reference(
            authors=("B. K. Iwana", "S. Uchida"),
            title="An empirical survey of data augmentation for time series classification with neural networks",
            venue="PLOS ONE",
            volume="16",
            number="7",
            year=2021,
            topic="with more on series",
            url="https://arxiv.org/abs/2007.15951",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("series",)
    factor: float = knob(
        default=2.0,
        low=1,
        high=float("inf"),
        open_right=True,
        search=(1.2, 4.0),
        log=True,
        neutral=1.0,
        unit="factor",
        doc="factor by which the window's length is multiplied or divided",
    )
    size: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_left=True,
        search=(0.05, 0.5),
        unit="fraction of the series",
        doc="length of the window",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        # The window's start, and a number whose sign selects stretching or compressing.
        return signed_uniform(len(x), 2, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        place, direction = (level[:, None] for level in draw)
        span = x.shape[2] - 1
        window, begin = self.size * span, (place + 1) / 2 * (1 - self.size) * span
        ratio = self.factor ** direction.sign()  # new length / old length of the window
        steps = torch.arange(x.shape[2], dtype=x.dtype, device=x.device)
        played = steps * (1 + self.size * (ratio - 1))  # times in the warped series
        inside = (played - begin).clamp(min=0.0).minimum(window * ratio)  # time spent inside the window
        return interpolate_linear(x, played + inside * (1 / ratio - 1))
