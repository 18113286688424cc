"""Clips: videos with a fixed number of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from goodfit.data.kinds.base import TrainingRows
from goodfit.data.kinds.files import MOVE_GRID, MOVE_RANGES, MOVES, FileKind
from goodfit.data.options import Clips, Options
from goodfit.data.reading import videos
from goodfit.data.reading.cache import Allocate
from goodfit.data.reading.listing import Listing
from goodfit.types import Array


class VideoKind(FileKind):
    """Clips as arrays or files; gif files count as clips only where the user chose clips."""

    name: ClassVar[str] = "video"
    samples: ClassVar[str] = "clips"
    options: ClassVar[type[Options]] = Clips
    array_options: ClassVar[frozenset[str]] = frozenset({"whiten", "rate"})
    shape_text: ClassVar[str] = "(rows, channels, frames, height, width)"
    space: ClassVar[int] = 3
    example_shapes: ClassVar[tuple[tuple[int, ...], ...]] = ((3, 6, 4, 5),)
    channels_last: ClassVar[bool] = True
    bounded: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = videos.SUFFIXES
    chosen_suffixes: ClassVar[frozenset[str]] = videos.ANIMATED
    form: ClassVar[type[Any]] = videos.ClipFormat
    network: ClassVar[str] = "cnn"
    preview: ClassVar[str] = "clip"
    augmentations: ClassVar[tuple[str, ...]] = (
        "shift=0.1", "rotation=10.0", "zoom=0.1", "brightness=0.2", "contrast=0.2", MOVES,
    )  # fmt: skip
    ranges: ClassVar[Mapping[str, Any]] = MOVE_RANGES
    grid: ClassVar[Mapping[str, Sequence[Any]]] = MOVE_GRID
    combination: ClassVar[str] = MOVES

    def matches_array(self, x: Array) -> bool:
        """Whether x has five dimensions."""
        return x.ndim == 5

    def matches_inputs(self, shape: tuple[int, ...], floats: bool) -> bool:
        """Whether there are five dimensions."""
        return len(shape) == 5

    def decode(
        self, listing: Listing, options: Any, form: Any = None, allocate: Allocate = np.zeros
    ) -> tuple[Array, Array, Any]:
        """Clips (rows, channels, frames, height, width) uint8."""
        return videos.decode_listing(listing, options, form, allocate)

    def form_of(self, rows: TrainingRows) -> videos.ClipFormat:
        """Size, channels, frames and rate of the training rows."""
        self._check_pixels(rows)
        channels, frames, height, width = rows.shape
        return videos.ClipFormat((height, width), channels, frames, float(rows.rate))

    def rate_of(self, form: videos.ClipFormat) -> float:
        """Frames per second, 0 where frames are spread evenly over each clip."""
        return form.rate
