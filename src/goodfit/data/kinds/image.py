"""Images, grey or with three channels; also images with masks as targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from goodfit.data.kinds.base import TrainingRows
from goodfit.data.kinds.files import MOVE_GRID, MOVE_RANGES, MOVES, FileKind
from goodfit.data.options import Images, Options
from goodfit.data.reading import images, masks
from goodfit.data.reading.cache import Allocate
from goodfit.data.reading.folders import Folder
from goodfit.data.reading.listing import Listing
from goodfit.types import Array


class ImageKind(FileKind):
    """Images as arrays or files; a folder with a folder of images and one of masks is for segmentation."""

    name: ClassVar[str] = "image"
    samples: ClassVar[str] = "images"
    options: ClassVar[type[Options]] = Images
    array_options: ClassVar[frozenset[str]] = frozenset({"whiten"})
    shape_text: ClassVar[str] = "(rows, channels, height, width)"
    space: ClassVar[int] = 2
    example_shapes: ClassVar[tuple[tuple[int, ...], ...]] = ((3, 6, 8), (3, 2, 6, 6))  # the second: clips
    channels_last: ClassVar[bool] = True
    bounded: ClassVar[bool] = True
    has_masks: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = images.SUFFIXES
    form: ClassVar[type[Any]] = images.ImageFormat
    network: ClassVar[str] = "cnn"
    preview: ClassVar[str] = "picture"
    augmentations: ClassVar[tuple[str, ...]] = (
        "shift=0.1", "rotation=10.0", "zoom=0.1", "brightness=0.2", "contrast=0.2", "cut_out", MOVES,
    )  # fmt: skip
    ranges: ClassVar[Mapping[str, Any]] = {**MOVE_RANGES, "cut_out": (0.1, 0.5)}
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {**MOVE_GRID, "cut_out": (0.25, 0.5)}
    combination: ClassVar[str] = MOVES

    def default_network(self, task: str) -> str:
        """The convolutional network, for masks the U-Net."""
        return "unet" if task == "segmentation" else self.network

    def matches_array(self, x: Array) -> bool:
        """Whether x has four dimensions, or three and is uint8."""
        return x.ndim == 4 or (x.ndim == 3 and x.dtype == np.uint8)

    def matches_inputs(self, shape: tuple[int, ...], floats: bool) -> bool:
        """Whether there are four dimensions."""
        return len(shape) == 4

    def matches_folder(self, path: Path) -> bool:
        """Whether a folder holds images and masks."""
        return masks.holds_masks(path)

    def read_folder(self, path: Path, options: Any, cache: Path | None = None, chosen: bool = True) -> Folder:
        """Images with their classes, or with their masks."""
        if masks.holds_masks(path):
            return masks.read_folder(path, options, cache)
        return super().read_folder(path, options, cache, chosen)

    def decode(
        self, listing: Listing, options: Any, form: Any = None, allocate: Allocate = np.zeros
    ) -> tuple[Array, Array, Any]:
        """Images (rows, channels, height, width) uint8."""
        return images.decode_listing(listing, options, form, allocate)

    def form_of(self, rows: TrainingRows) -> images.ImageFormat:
        """Size and channels of the training rows."""
        self._check_pixels(rows)
        return images.ImageFormat((rows.shape[1], rows.shape[2]), rows.shape[0])

    def files_of(self, path: Path) -> Path:
        """The folder of images where there is one of masks, too."""
        return masks.images_of(path)
