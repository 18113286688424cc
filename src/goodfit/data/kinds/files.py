"""Kinds whose samples may be files that are decoded into one array: images, clips and sounds."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from goodfit.data.kinds.base import DataKind, TrainingRows
from goodfit.data.reading.cache import Allocate
from goodfit.data.reading.folders import Folder, read_folder
from goodfit.data.reading.listing import Listing, list_unlabelled
from goodfit.errors import InputError
from goodfit.types import Array

MOVES = "shift=0.1, rotation=10.0, zoom=0.1"
"""Augmentations that move pixels and keep the class of most images and clips."""
MOVE_RANGES = {
    "shift": (0.03, 0.3), "rotation": (5.0, 45.0), "zoom": (0.05, 0.4), "brightness": (0.05, 0.5),
    "contrast": (0.05, 0.5),
}  # fmt: skip
MOVE_GRID = {
    "shift": (0.1, 0.2), "rotation": (15.0, 30.0, 45.0), "zoom": (0.1, 0.3), "brightness": (0.2,), "contrast": (0.2,),
}  # fmt: skip
"""What a study searches for images and clips, and which strengths it tries first; see `DataKind.ranges`."""


class FileKind(DataKind):
    """A kind whose samples may be files, each decoded into an array of one form."""

    chosen_suffixes: ClassVar[frozenset[str]] = frozenset()
    """Suffixes that count only where the user chose this kind: most such files are of another one."""
    form: ClassVar[type[Any]]
    """A dataclass of plain values: size, channels, rate, … that all samples of an array have."""

    @abstractmethod
    def decode(
        self, listing: Listing, options: Any, form: Any = None, allocate: Allocate = np.zeros
    ) -> tuple[Array, Array, Any]:
        """Samples, their classes, and their form: the given one, or the form that suits the samples.

        Raises:
            InputError: files are damaged, or they differ in what must be equal.
        """

    @abstractmethod
    def form_of(self, rows: TrainingRows) -> Any:
        """The form of the rows on which a network was trained.

        Raises:
            InputError: files cannot be brought to it.
        """

    def rate_of(self, form: Any) -> float:
        """Samples or frames per second, 0 where there is none."""
        return 0

    def files_of(self, path: Path) -> Path:
        """The file or folder that holds the samples."""
        return path

    def read_folder(self, path: Path, options: Any, cache: Path | None = None, chosen: bool = True) -> Folder:
        """The samples of a folder with a folder for each class; `chosen`: whether the user chose this kind.

        Raises:
            InputError: there are no classes or no files, sizes differ and none is given, or files are damaged.
            MissingExtra: the library for these files is not installed.
        """
        suffixes = self.suffixes | self.chosen_suffixes if chosen else self.suffixes
        return read_folder(self, path, suffixes, options, cache)

    def read_for_prediction(
        self, path: Path, rows: TrainingRows, damaged: str, is_sample: bool
    ) -> tuple[Any, tuple[str, ...]] | None:
        """Files in the form of the training rows, with their names.

        Raises:
            InputError: there are no such files, they cannot be brought to that form, or they are damaged.
            MissingExtra: the library for these files is not installed.
        """
        if not is_sample:
            return None
        if not path.exists():
            raise InputError(f"predict: there is no file '{path}'.")
        suffixes = self.suffixes | self.chosen_suffixes
        listing = list_unlabelled(self.files_of(path).resolve(), self.samples, suffixes)
        x, names, _ = self.decode(listing, self.options(damaged=damaged), self.form_of(rows))
        return x, tuple(names.tolist())

    def _check_pixels(self, rows: TrainingRows) -> None:
        """Refuse networks whose inputs picture files cannot be brought to."""
        if not rows.uint8 or rows.shape[0] not in (1, 3):
            raise InputError(
                f"predict: files of {self.samples} have 1 or 3 channels of uint8, but the network was trained on "
                f"{rows.shape[0]} channels of {'uint8' if rows.uint8 else 'floats'}; give an NPZ file."
            )
