"""`DataKind`: everything that depends on whether samples are rows of a table, series, images, clips, sounds or texts.

Each kind is one class in a file of this package. The rest of goodfit asks the kind, and never compares its name. What
lives in packages above `data` is named as text: the default network, the preview, augmentations.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from goodfit.data.options import Options
from goodfit.data.reading.folders import Folder
from goodfit.data.storage import is_large, is_mapped
from goodfit.errors import InputError
from goodfit.types import Array

CHANNELS = (1, 3, 4)
"""How many channels images have: grey, colours, colours with transparency."""


class Requirements(Protocol):
    """What a technique requires of the inputs; class variables of `goodfit.technique.Technique`."""

    kinds: ClassVar[tuple[str, ...]]
    needs_floats: ClassVar[bool]
    needs_rgb: ClassVar[bool]
    needs_vocabulary: ClassVar[bool]


@dataclass(frozen=True)
class Match:
    """Whether inputs meet the requirements of a technique, and the reason if not.

    >>> bool(Match()), bool(Match("it acts on sounds"))
    (True, False)
    """

    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason


@dataclass(frozen=True)
class TrainingRows:
    """What is known of the rows on which a network was trained, so that files can be brought to the same form.

    Args:
        shape: of one input, channels first.
        uint8: whether raw values were uint8.
        rate: samples or frames per second, 0 if unknown.
        high: the largest raw value; None where it is unknown.
        column: the column of texts.
    """

    shape: tuple[int, ...]
    uint8: bool = False
    rate: float = 0
    high: float | None = None
    column: str = ""


class DataKind(ABC):
    """A kind of data. A new kind is a subclass in its own file and a line in `goodfit.data.kinds`."""

    name: ClassVar[str]
    """How users write it: `Inputs("image")`, `--kind image`."""
    samples: ClassVar[str]
    """What messages call its samples."""
    options: ClassVar[type[Options]]
    """Its record of options for `load`."""
    array_options: ClassVar[frozenset[str]] = frozenset()
    """The options that apply to data in memory, too; the others say how files are read."""

    shape_text: ClassVar[str]
    """The shape of a batch of its inputs, in words."""
    space: ClassVar[int] = 0
    """Number of dimensions after the channels; 0: there are no channels."""
    example_shapes: ClassVar[tuple[tuple[int, ...], ...]] = ()
    """Shapes of single inputs (channels, *space) on which augmentations are tested."""
    channels_last: ClassVar[bool] = False
    """Whether arrays may come with their channels at the end."""
    bounded: ClassVar[bool] = False
    """Whether values have a range, to which augmented samples are clipped."""
    whole_numbers: ClassVar[bool] = False
    """Whether inputs are whole numbers that name something (words), not floats."""
    has_masks: ClassVar[bool] = False
    """Whether targets may be masks: a class for each pixel."""
    suffixes: ClassVar[frozenset[str]] = frozenset()
    """The suffixes of its files, by which the kind of a folder is inferred."""

    frame_features: ClassVar[str] = "table"
    """The preprocessing of DataFrames in `goodfit.data.tables.FEATURES`."""
    network: ClassVar[str] = "mlp"
    """The default network in `goodfit.models.build`."""
    rows_seen: ClassVar[int] = 400_000
    """Training rows that a default run sees in total: enough for its network to overfit a small data set."""
    preview: ClassVar[str]
    """How the report shows a sample: rows, lines, picture, clip, spectrogram or words."""
    previewed_in_batch: ClassVar[bool] = False
    """Whether variants are shown as part of a batch, together with what mixes its rows."""
    example: ClassVar[str] = "rotation=15"
    """An augmentation to suggest."""
    augmentations: ClassVar[tuple[str, ...]] = ()
    """The augmentations that a study compares: none that could turn a sample into one of another class."""
    combination: ClassVar[str] = ""
    """The augmentations with which the combined recipe of a study begins."""

    ranges: ClassVar[Mapping[str, Any]] = {}
    """The augmentations that a study searches, with their ranges; see `goodfit.study.search.space.Space`."""
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Strengths of these augmentations that a study tries first, weakest first."""

    # ---- which data is of this kind ------------------------------------------------------------

    def matches_array(self, x: Array) -> bool:
        """Whether raw rows x are of this kind, judged by their shape and dtype."""
        return False

    def matches_inputs(self, shape: tuple[int, ...], floats: bool) -> bool:
        """Whether a network's inputs (rows, …) are of this kind, judged by their shape and whether they are floats."""
        return False

    def matches_table(self, frame: pd.DataFrame) -> bool:
        """Whether a table's columns are of this kind, judged by their values."""
        return False

    def matches_folder(self, path: Path) -> bool:
        """Whether a folder is of this kind for another reason than the suffixes of most of its files."""
        return False

    def matches_file(self, path: Path) -> bool:
        """Whether a file that could also be a table or an array holds samples of this kind, judged by its content."""
        return False

    # ---- raw data in its form ------------------------------------------------------------------

    def take_columns(self, frame: pd.DataFrame, options: Options) -> pd.DataFrame:
        """The columns of a table that are the inputs, checked.

        Raises:
            InputError: they cannot be of this kind.
        """
        raise InputError(f"load: the columns of a table cannot be {self.samples}; give arrays.")

    def arrange(self, x: Array, who: str = "load") -> Array:
        """Rows with their channels first.

        Shape: (rows, *space) or (rows, channels, *space), where `channels_last` also (rows, *space, channels) → (rows,
        channels, *space); without channels (rows, columns) → the same.

        Raises:
            InputError: x has another number of dimensions.
        """
        if self.space and x.ndim == self.space + 1:
            return x[:, None]
        if x.ndim != self.space + 2:
            raise InputError(
                f"{who}: {self.name} data has the shape {self.shape_text}, got {x.shape}; reshape it, or choose "
                "another kind."
            )
        last = self.channels_last and x.shape[-1] in CHANNELS and x.shape[1] not in CHANNELS
        return _channels_first(x) if last else x

    def value_range(self, low: float, high: float) -> tuple[float, float]:
        """The range of raw values that augmentation keeps to, from the smallest and the largest training value."""
        return low, high

    def default_network(self, task: str) -> str:
        """The network for a task if the user names none; see `goodfit.models.build`."""
        return self.network

    # ---- files ---------------------------------------------------------------------------------

    def read_folder(self, path: Path, options: Any, cache: Path | None = None, chosen: bool = True) -> Folder:
        """The samples of a folder with a folder for each class; `chosen`: whether the user chose this kind.

        Raises:
            InputError: this kind is not read from folders; no files, or damaged ones.
        """
        raise InputError(
            f"load: {self.name} data cannot be read from a folder, got the folder '{path.name}'; give a file."
        )

    def read_file(self, path: Path, options: Any) -> Any:
        """The arrays of an npz file for which `matches_file` is true."""
        raise NotImplementedError

    def read_for_prediction(
        self, path: Path, rows: TrainingRows, damaged: str, is_sample: bool
    ) -> tuple[Any, tuple[str, ...]] | None:
        """Samples in the form of the training rows, with the names of their files; None if the path holds no samples.

        Args:
            path: a folder or a file.
            rows: the training rows.
            damaged: "refuse" or "skip".
            is_sample: whether the path is a folder, or a file with the suffix of a sample of any kind.

        Raises:
            InputError: the files cannot be brought to that form, or they are damaged.
        """
        return None

    # ---- techniques ----------------------------------------------------------------------------

    def accepts(self, technique: Requirements, channels: int, vocabulary: bool) -> Match:
        """Whether a technique can act on inputs of this kind.

        Args:
            technique: says what it requires in its class variables.
            channels: of the inputs.
            vocabulary: whether the words behind word ids are known.
        """
        if technique.kinds and self.name not in technique.kinds:
            return Match(
                f"it acts on {' and '.join(technique.kinds)} data; these inputs are {self.name} data "
                f"{self.shape_text}; leave it out, or load them as {technique.kinds[0]} data."
            )
        if technique.needs_floats and self.whole_numbers:
            return Match(f"it acts on floats; {self.samples} are whole numbers; leave it out.")
        if technique.needs_vocabulary and not vocabulary:
            return Match(
                "it must know the words behind the word ids; load the texts with goodfit.load, or give "
                "Inputs('text', words=…)."
            )
        if technique.needs_rgb and channels != 3:
            return Match(f"it acts on images with 3 channels (RGB), got {channels} channels; leave it out.")
        return Match()


def _channels_first(x: Array) -> Array:
    """Channels moved from the end to the front; what does not fit into memory twice is not copied."""
    moved = np.moveaxis(x, -1, 1)
    return moved if is_mapped(x) or is_large(x.nbytes) else np.ascontiguousarray(moved)
