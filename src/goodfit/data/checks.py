"""What is refused before any training: every bad column at once, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from goodfit.data.columns import column_type, is_text, numbers
from goodfit.errors import InputError
from goodfit.types import Array

LARGEST = 1e100  # beyond it a variance overflows, so that it is as good as infinite
FREE_TEXT_ROWS = 50
FREE_TEXT_SHARE = 0.9
SHOWN = 5


def check_names(frame: pd.DataFrame) -> None:
    """Refuse a table without rows, without columns, or with two columns of one name.

    Raises:
        InputError: says which.
    """
    if len(frame.columns) == 0 or len(frame) == 0:
        raise InputError(
            f"load: the table is empty ({len(frame)} rows, {len(frame.columns)} columns); give rows with a target."
        )
    doubled = frame.columns[frame.columns.duplicated()].unique()
    if len(doubled):
        raise InputError(f"load: {quoted(doubled)} names more than one column; rename or drop the others.")


def check_columns(frame: pd.DataFrame) -> None:
    """Refuse columns from which nothing can be learned; all of them in one message.

    Raises:
        InputError: a column is missing in all rows, holds infinite values, nested objects, or text that is
            nearly always different (an id or free text).
    """
    if len(frame.columns) == 0:
        raise InputError("load: no column is left for the features; the target alone cannot be learned from.")
    found = [(str(name), *problem) for name in frame.columns for problem in _problems(frame[name])]
    if not found:
        return
    if len(found) == 1:
        name, what, remedy = found[0]
        raise InputError(f"load: column '{name}' {what}; {remedy}.")
    lines = "; ".join(f"'{name}' {what} ({remedy})" for name, what, remedy in found)
    raise InputError(f"load: {len(found)} columns cannot be used: {lines}.")


def _problems(column: pd.Series[Any]) -> Iterator[tuple[str, str]]:
    """(what is wrong, the remedy) of one column, at most one of them."""
    if column.isna().all():
        yield f"is missing in all {len(column)} rows", "drop it or fill it"
        return
    if column.dtype.kind == "c" or isinstance(column.dtype, pd.PeriodDtype | pd.IntervalDtype):
        yield f"holds {column.dtype} values", "turn it into numbers, dates or text"
        return
    try:
        what = column_type(column)
    except TypeError:
        yield "holds lists or other objects", "spread them over columns of their own"
        return
    if what == "number":
        wrong = np.abs(numbers(column)) > LARGEST
        if wrong.any():
            where = f"first in row {int(wrong.argmax())}"
            yield f"holds {int(wrong.sum())} infinite values ({where})", "fill them or leave them empty"
    elif what == "category" and (is_text(column) or isinstance(column.dtype, pd.CategoricalDtype)):
        distinct, known = column.nunique(), int(column.notna().sum())
        if known > FREE_TEXT_ROWS and distinct > FREE_TEXT_SHARE * known:
            yield f"holds {distinct} different texts in {known} rows, probably an id or free text", "drop it"


def check_target(y: pd.Series[Any], target: str) -> None:
    """Refuse targets that are missing or infinite.

    Raises:
        InputError: says how many there are and where the first one stands.
    """
    if len(y) == 0:
        raise InputError(f"load: target '{target}' is empty; give at least one row.")
    bad = y.isna().to_numpy()
    what = "missing"
    if not bad.any() and y.dtype.kind == "f":
        bad = ~np.isfinite(y.to_numpy())
        what = "infinite"
    if bad.any():
        raise InputError(
            f"load: target '{target}' is {what} in {int(bad.sum())} of {len(y)} rows (first: row "
            f"{int(bad.argmax())}, "
            "counted from 0); drop these rows or fill them."
        )


def check_classes(codes: Array, classes: tuple[str, ...], target: str) -> None:
    """Refuse a target of one class, and classes with a single row.

    Raises:
        InputError: names the class or classes.
    """
    if len(classes) == 1:
        raise InputError(
            f"load: target '{target}' holds one class only, '{classes[0]}'; give rows of at least two classes."
        )
    counts = np.bincount(codes, minlength=len(classes))
    single = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    if single:
        one = "class" if len(single) == 1 else f"{len(single)} classes"
        raise InputError(
            f"load: target '{target}' has one row only of {one} {quoted(single)}; collect more, merge or "
            "drop the rows" + (", or say task='regression'." if len(single) > SHOWN else ".")
        )


def check_length(x: object, y: object) -> None:
    """Refuse x and y of different lengths, or with one index in two orders.

    Raises:
        InputError: says both lengths, or that the rows do not belong together.
    """
    rows, targets = len(x), len(y)  # type: ignore[arg-type]
    if rows != targets:
        raise InputError(f"load: x has {rows} rows but y has {targets}; give one target for each row.")
    if not (isinstance(x, pd.DataFrame) and isinstance(y, pd.Series)) or x.index.equals(y.index):
        return
    if x.index.is_unique and y.index.is_unique and len(x.index.difference(y.index)) == 0:
        raise InputError("load: x and y have the same index in different orders; align them: y = y.loc[x.index].")


def quoted(names: Any) -> str:
    """A few names, quoted: 'a', 'b' and 3 more.

    >>> quoted(["a", "b"]), quoted("abcdefg")
    ("'a', 'b'", "'a', 'b', 'c', 'd', 'e' and 2 more")
    """
    shown = ", ".join(f"'{name}'" for name in list(names)[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
