"""Which column of a table holds texts, and what is refused or remarked there."""

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
LOOKED_AT = 1000  # rows from which it is told whether a column holds texts
WORDS, DISTINCT = 3.0, 0.5
"""A column of texts has at least so many words to a row, and so many different rows to all."""
_UNSPACED = re.compile(f"[{UNSPACED}]")


def is_text_table(frame: pd.DataFrame) -> bool:
    """Whether a table has one column, and that one holds texts."""
    return len(frame.columns) == 1 and _is_free(frame.iloc[:, 0])


def text_column(frame: pd.DataFrame, column: str | None) -> str:
    """The name of the column whose texts are the inputs: the given one, or the only one that holds texts.

    Raises:
        InputError: there is no such column, no column holds texts, or several do.
    """
    if column is not None:
        if column not in frame.columns:
            raise InputError(f"load: there is no column '{column}' of texts.{near(column, frame.columns)}")
        return column
    if len(frame.columns) == 1:
        return str(frame.columns[0])
    free = [str(name) for name in frame.columns if _is_free(frame[name])]
    if len(free) != 1:
        reason = f"columns {quoted(free)} hold texts" if free else "no column holds texts"
        raise InputError(f"load: {reason}; name one: Texts(column=…).{near('', frame.columns)}")
    return free[0]


def only_text(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table with that column alone; what is left out, and empty texts, are remarked.

    Raises:
        InputError: no row holds a word.
    """
    others = [column for column in frame.columns if column != name]
    if others:
        LOG.warning("load: the inputs are the texts of column '%s'; %s left out", name, quoted(others))
    texts = cleaned(frame[name])
    empty = [row for row, text in enumerate(texts) if not tokenize(text)]
    if len(empty) == len(texts):
        raise InputError(f"load: column '{name}' holds no word in any of {len(texts)} rows; give texts.")
    if empty:
        LOG.warning(
            "load: %d of %d texts are empty (first: row %d); each counts as one unknown word",
            len(empty), len(texts), empty[0],
        )  # fmt: skip
    return frame[[name]]


def cleaned(column: pd.Series[Any]) -> list[str]:
    """The texts of a column; a missing one is empty."""
    missing = column.isna().tolist()
    return ["" if gone else str(text) for text, gone in zip(column.tolist(), missing, strict=True)]


def _is_free(column: pd.Series[Any]) -> bool:
    """Whether a column holds texts: mostly different ones, of several words."""
    if not is_text(column):
        return False
    some = column.dropna().iloc[:LOOKED_AT]
    if len(some) == 0 or not all(isinstance(value, str) for value in some) or column_type(some) != "category":
        return False
    words = sum(len(_UNSPACED.sub(" x ", text).split()) for text in some)
    return bool(words >= WORDS * len(some) and some.nunique() > DISTINCT * len(some))
