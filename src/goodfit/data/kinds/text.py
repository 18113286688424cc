"""Texts: word ids with a vocabulary that is learned on the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from goodfit.data.kinds.base import DataKind, TrainingRows
from goodfit.data.options import Options, Texts
from goodfit.data.reading import text_files
from goodfit.data.reading.files import header
from goodfit.data.reading.folders import Folder
from goodfit.data.reading.listing import list_unlabelled
from goodfit.data.reading.text_files import TXT
from goodfit.data.text.columns import is_text_table, only_text, text_column
from goodfit.errors import InputError
from goodfit.types import Array

REMOVALS = "word_removal(0.3, by=tf_idf), word_dropout=0.5"
"""What helped on real messages; chosen on other messages than those on which it was shown: docs/augmentation.md."""


class TextKind(DataKind):
    """Texts: a list, a column of a table, or a folder with a folder of .txt files for each class."""

    name: ClassVar[str] = "text"
    samples: ClassVar[str] = "texts"
    options: ClassVar[type[Options]] = Texts
    array_options: ClassVar[frozenset[str]] = frozenset({"column"})
    shape_text: ClassVar[str] = "(rows, words)"
    whole_numbers: ClassVar[bool] = True
    frame_features: ClassVar[str] = "text"
    network: ClassVar[str] = "text_cnn"
    rows_seen: ClassVar[int] = 40_000  # a row costs a hundred times as much as that of a table
    preview: ClassVar[str] = "words"
    example: ClassVar[str] = "synonyms=0.1"
    augmentations: ClassVar[tuple[str, ...]] = (
        "word_dropout=0.5", "word_removal(0.3, by=tf_idf)", "synonyms=0.2", REMOVALS,
    )  # fmt: skip
    ranges: ClassVar[Mapping[str, Any]] = {
        "word_dropout": (0.1, 0.7),
        "synonyms": (0.05, 0.5),
        "random_deletion": (0.05, 0.4),
        "random_swap": (0.05, 0.4),
    }
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {
        "word_dropout": (0.25, 0.5),
        "synonyms": (0.2,),
        "random_deletion": (0.1, 0.3),
    }
    combination: ClassVar[str] = REMOVALS

    def matches_inputs(self, shape: tuple[int, ...], floats: bool) -> bool:
        """Whether there are two dimensions of whole numbers."""
        return len(shape) == 2 and not floats

    def matches_table(self, frame: pd.DataFrame) -> bool:
        """Whether the only column holds texts."""
        return is_text_table(frame)

    def matches_folder(self, path: Path) -> bool:
        """Whether most files are .txt files."""
        return text_files.holds_texts(path)

    def take_columns(self, frame: pd.DataFrame, options: Options) -> pd.DataFrame:
        """The column of texts."""
        column = options.column if isinstance(options, Texts) else None
        return only_text(frame, text_column(frame, column))

    def arrange(self, x: Array, who: str = "load") -> Array:
        """Refuse arrays of numbers: their words are unknown.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{who}: texts must be strings, got {x.dtype} values of shape {x.shape}; give word ids to "
            "from_tensors(…, kind='text'), or choose another kind."
        )

    def read_folder(self, path: Path, options: Any, cache: Path | None = None, chosen: bool = True) -> Folder:
        """The texts as a table of one column, with their classes."""
        (texts, labels), test = text_files.read_folder(path, options.damaged)
        return Folder(texts, labels, test)

    def read_for_prediction(
        self, path: Path, rows: TrainingRows, damaged: str, is_sample: bool
    ) -> tuple[Any, tuple[str, ...]] | None:
        """The texts of .txt files; None where the path is a table with the column of texts."""
        if not path.is_dir() and not _is_text_file(path, rows.column):
            return None
        listing = list_unlabelled(path.resolve(), self.samples, {TXT})
        texts, read = text_files.decode(listing, damaged)
        return texts, tuple(listing.labels[at] for at in read)


def _is_text_file(path: Path, column: str) -> bool:
    """Whether a .txt file is a text, and not a table with the column of texts."""
    if path.suffix.lower() != TXT or not path.is_file():
        return False
    try:
        return column not in header(path)
    except InputError:
        return True
