"""Window warp: a window of a series played slower or faster."""

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
    """Stretches or squeezes a random window of a series, and brings the whole back to its length.

    Formula: the window is `size` of the series and begins anywhere; its length is multiplied or divided by `factor`, as
    often the one as the other; the series, which is longer or shorter by now, is read at as many evenly spaced times as
    before, straight between its values. All channels alike.

    Shape: x (batch, channels, time); it keeps its shape and dtype.

    Helps when: parts of a movement or an event take longer one time than another.
    Hurts when: speed or frequency tells the class, or the place in the series does.

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
        unit="times as long, or as short",
        doc="by which the window's length is multiplied or divided",
    )
    size: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_left=True,
        search=(0.05, 0.5),
        unit="share of the series",
        doc="length of the window",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)  # where the window begins; the sign says which way

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        place, way = (drawn[:, None] for drawn in draw)
        span = x.shape[2] - 1
        window, begin = self.size * span, (place + 1) / 2 * (1 - self.size) * span
        ratio = self.factor ** way.sign()  # the window's new length by its old one
        steps = torch.arange(x.shape[2], dtype=x.dtype, device=x.device)
        played = steps * (1 + self.size * (ratio - 1))  # times in the series that is longer or shorter by now
        inside = (played - begin).clamp(min=0.0).minimum(window * ratio)  # how much of the window lies behind
        return interpolate_linear(x, played + inside * (1 / ratio - 1))
