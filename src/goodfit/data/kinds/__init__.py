"""The kinds of data, one class each; a new kind is registered here by a line.

>>> kind("image").shape_text
'(rows, channels, height, width)'
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from goodfit.data.kinds.base import DataKind, Match, Requirements, TrainingRows
from goodfit.data.kinds.image import ImageKind
from goodfit.data.kinds.series import SeriesKind
from goodfit.data.kinds.sound import SoundKind
from goodfit.data.kinds.table import TableKind
from goodfit.data.kinds.text import TextKind
from goodfit.data.kinds.video import VideoKind
from goodfit.data.options import Options
from goodfit.data.reading.listing import count_suffixes
from goodfit.errors import InputError, near
from goodfit.types import Array

__all__ = [
    "KINDS",
    "DataKind",
    "Match",
    "Requirements",
    "TrainingRows",
    "file_suffixes",
    "kind",
    "kind_of_array",
    "kind_of_file",
    "kind_of_folder",
    "kind_of_inputs",
    "kind_of_options",
    "kind_of_table",
    "mask_kind",
]

TABLE = TableKind()
KINDS: dict[str, DataKind] = {
    each.name: each
    for each in (
        TABLE,
        SeriesKind(),
        ImageKind(),
        SoundKind(),
        VideoKind(),
        TextKind(),
    )
}
"""Name → kind. The first kind that matches is inferred; `TABLE` where none does."""


def kind(name: str, who: str = "inputs") -> DataKind:
    """The kind of this name.

    Raises:
        InputError: there is no such kind.
    """
    if name not in KINDS:
        raise InputError(f"{who}: kind must be one of {', '.join(KINDS)}, got {name!r}.{near(str(name), KINDS)}")
    return KINDS[name]


def kind_of_options(options: Options) -> DataKind | None:
    """The kind that a record of options is for; None for options that all kinds share."""
    return next((each for each in KINDS.values() if each.options is type(options)), None)


def kind_of_array(x: Array) -> DataKind:
    """The kind of raw rows, inferred from their shape and dtype."""
    return next((each for each in KINDS.values() if each.matches_array(x)), TABLE)


def kind_of_inputs(shape: tuple[int, ...], floats: bool) -> DataKind:
    """The kind of a network's inputs (rows, …), inferred from their shape and whether they are floats."""
    return next((each for each in KINDS.values() if each.matches_inputs(shape, floats)), TABLE)


def kind_of_table(frame: pd.DataFrame) -> DataKind:
    """The kind of a table's columns, inferred from their values."""
    return next((each for each in KINDS.values() if each.matches_table(frame)), TABLE)


def kind_of_folder(path: Path) -> DataKind:
    """The kind of a folder, inferred from the files that it holds."""
    special = next((each for each in KINDS.values() if each.matches_folder(path)), None)
    if special is not None:
        return special
    counts = count_suffixes(path)
    with_files = [each for each in KINDS.values() if each.suffixes]
    return max(with_files, key=lambda each: sum(counts[suffix] for suffix in each.suffixes))


def kind_of_file(path: Path) -> DataKind | None:
    """The kind of an npz file that has arrays of a special layout; None for any other file."""
    return next((each for each in KINDS.values() if each.matches_file(path)), None)


def mask_kind() -> DataKind:
    """The kind whose targets may be masks."""
    return next(each for each in KINDS.values() if each.has_masks)


def file_suffixes() -> frozenset[str]:
    """The suffixes of files that are samples of any kind."""
    return frozenset[str]().union(*(each.suffixes for each in KINDS.values()))
