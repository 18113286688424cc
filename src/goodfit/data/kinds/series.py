"""Series: values measured over time, in one or more channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from goodfit.data.kinds.base import DataKind
from goodfit.data.options import Options, Series
from goodfit.types import Array


class SeriesKind(DataKind):
    """Series as arrays of three dimensions that are not uint8."""

    name: ClassVar[str] = "series"
    samples: ClassVar[str] = "series"
    options: ClassVar[type[Options]] = Series
    array_options: ClassVar[frozenset[str]] = frozenset({"whiten"})
    shape_text: ClassVar[str] = "(rows, channels, time)"
    space: ClassVar[int] = 1
    example_shapes: ClassVar[tuple[tuple[int, ...], ...]] = ((2, 12),)
    preview: ClassVar[str] = "lines"
    previewed_in_batch: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, Any]] = {"jitter": (0.02, 0.5), "series_scaling": (0.05, 0.5)}
    example: ClassVar[str] = "jitter=0.05 or window_warp=2"

    def matches_array(self, x: Array) -> bool:
        """Whether x has three dimensions and is not uint8."""
        return x.ndim == 3 and x.dtype != np.uint8

    def matches_inputs(self, shape: tuple[int, ...], floats: bool) -> bool:
        """Whether there are three dimensions."""
        return len(shape) == 3
