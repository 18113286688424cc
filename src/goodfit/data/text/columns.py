"""The column of texts in a table, and its checks."""

from __future__ import annotations

import logging
import re
from typing import Any

import pandas as pd

from goodfit.data.checks import quoted
from goodfit.data.columns import column_type, is_text
from goodfit.data.text.tokens import UNSPACED, tokenize
from goodfit.errors import InputError, near

DEFAULT_COLUMN = "text"
"""The name of the column of texts where they have none."""
LOG = logging.getLogger("goodfit")
SAMPLE_ROWS = 1000
"""The rows from which it is inferred whether a column holds texts."""
MIN_WORDS, MIN_DISTINCT = 3.0, 0.5
"""The least mean number of words per row, and the least share of distinct rows, of a column of texts."""
_UNSPACED = re.compile(f"[{UNSPACED}]")


def is_text_table(frame: pd.DataFrame) -> bool:
    """Whether a table has a single column, which holds texts."""
    return len(frame.columns) == 1 and _holds_texts(frame.iloc[:, 0])


def text_column(frame: pd.DataFrame, name: str | None) -> str:
    """The name of the column whose texts are the inputs: the given one, or the only one that holds texts.

    Raises:
        InputError: there is no such column, or no column or several columns hold texts.
    """
    if name is not None:
        if name not in frame.columns:
            raise InputError(f"load: there is no column '{name}' of texts.{near(name, frame.columns)}")
        return name
    if len(frame.columns) == 1:
        return str(frame.columns[0])
    candidates = [str(column) for column in frame.columns if _holds_texts(frame[column])]
    if len(candidates) != 1:
        which = f"columns {quoted(candidates)} hold texts" if candidates else "no column holds texts"
        raise InputError(f"load: {which}; name the column of the inputs: Texts(column=…).{near('', frame.columns)}")
    return candidates[0]


def only_text(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table with the column of texts only; warns about other columns and empty texts.

    Raises:
        InputError: there is no word in any row.
    """
    others = [column for column in frame.columns if column != name]
    if others:
        LOG.warning("load: the inputs are the texts of column '%s'; %s ignored", name, quoted(others))
    texts = to_strings(frame[name])
    empty = [row for row, text in enumerate(texts) if not tokenize(text)]
    if len(empty) == len(texts):
        raise InputError(f"load: column '{name}' has no word in any of {len(texts)} rows; use a column of texts.")
    if empty:
        LOG.warning(
            "load: %d of %d texts are empty (first: row %d); each counts as one unknown word",
            len(empty), len(texts), empty[0],
        )  # fmt: skip
    return frame[[name]]


def to_strings(column: pd.Series[Any]) -> list[str]:
    """The texts of a column; missing texts are empty."""
    missing = column.isna().tolist()
    return ["" if is_missing else str(text) for text, is_missing in zip(column.tolist(), missing, strict=True)]


def _holds_texts(column: pd.Series[Any]) -> bool:
    """Whether a column holds texts of several words, most of them distinct."""
    if not is_text(column):
        return False
    sample = column.dropna().iloc[:SAMPLE_ROWS]
    if len(sample) == 0 or not all(isinstance(value, str) for value in sample) or column_type(sample) != "category":
        return False
    words = sum(len(_UNSPACED.sub(" x ", text).split()) for text in sample)
    return bool(words >= MIN_WORDS * len(sample) and sample.nunique() > MIN_DISTINCT * len(sample))
