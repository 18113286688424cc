"""Checks of tables and targets when data is loaded; all questionable columns are reported in one error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from goodfit.data.columns import column_type, is_text, numbers
from goodfit.errors import InputError
from goodfit.types import Array

LARGEST = 1e100
"""Larger numbers count as infinite, because their variance overflows."""
FREE_TEXT_ROWS, FREE_TEXT_SHARE = 50, 0.9
"""A text column with more rows and a larger share of distinct values is an id or free text."""
SHOWN = 5
"""Names that an error message lists."""


def is_usable(x: Array) -> Array:
    """Which floats are finite and at most `LARGEST`.

    >>> is_usable(np.array([1.0, -1e200, np.inf, np.nan])).tolist()
    [True, False, False, False]
    """
    finite: Array = np.isfinite(x) if x.dtype.itemsize < 8 else np.abs(x) <= LARGEST
    return finite


def unusable(value: float) -> str:
    """What a value is that is not usable, for messages.

    >>> unusable(-np.inf), unusable(1e200)
    ('an infinite value', '1e+200 (beyond ±1e+100, which counts as infinite)')
    """
    return "an infinite value" if np.isinf(value) else f"{value:g} (beyond ±{LARGEST:g}, which counts as infinite)"


def check_names(frame: pd.DataFrame) -> None:
    """Check that a table has rows, columns and unique column names.

    Raises:
        InputError: it does not.
    """
    if len(frame.columns) == 0 or len(frame) == 0:
        raise InputError(
            f"load: the table is empty ({len(frame)} rows, {len(frame.columns)} columns); give rows with a target."
        )
    doubled = frame.columns[frame.columns.duplicated()].unique()
    if len(doubled):
        raise InputError(f"load: {quoted(doubled)} names more than one column; rename or drop the others.")


def check_columns(frame: pd.DataFrame) -> None:
    """Check that all columns can be used as features; one error lists all that cannot.

    Raises:
        InputError: a column is missing in all rows, or holds infinite values, nested objects, or text that differs in
            almost all rows (an id or free text).
    """
    if len(frame.columns) == 0:
        raise InputError("load: the table has no column except the target; add columns of features.")
    problems = [(str(name), *problem) for name in frame.columns for problem in _problems(frame[name])]
    if not problems:
        return
    if len(problems) == 1:
        name, what, remedy = problems[0]
        raise InputError(f"load: column '{name}' {what}; {remedy}.")
    lines = "; ".join(f"'{name}' {what} ({remedy})" for name, what, remedy in problems)
    raise InputError(f"load: {len(problems)} columns cannot be used: {lines}.")


def _problems(column: pd.Series[Any]) -> Iterator[tuple[str, str]]:
    """The first problem of a column, if any, as (what is wrong, remedy)."""
    if column.isna().all():
        yield f"is missing in all {len(column)} rows", "drop it or fill it"
        return
    if column.dtype.kind == "c" or isinstance(column.dtype, pd.PeriodDtype | pd.IntervalDtype):
        yield f"holds {column.dtype} values", "convert it to numbers, dates or text"
        return
    try:
        what = column_type(column)
    except TypeError:
        yield "holds lists or other objects", "expand them into separate columns"
        return
    if what == "number":
        infinite = np.abs(numbers(column)) > LARGEST
        if infinite.any():
            where = f"first in row {int(infinite.argmax())}"
            yield f"holds {int(infinite.sum())} infinite values ({where})", "fill them or leave them empty"
    elif what == "category" and (is_text(column) or isinstance(column.dtype, pd.CategoricalDtype)):
        distinct, known = column.nunique(), int(column.notna().sum())
        if known > FREE_TEXT_ROWS and distinct > FREE_TEXT_SHARE * known:
            yield f"holds {distinct} different texts in {known} rows, probably an id or free text", "drop it"


def check_target(y: pd.Series[Any], target: str) -> None:
    """Check that targets are neither missing nor infinite, nor beyond `LARGEST`.

    Raises:
        InputError: some are; the message has their number and the first row.
    """
    if len(y) == 0:
        raise InputError(f"load: target '{target}' is empty; at least one row is needed.")
    bad = y.isna().to_numpy()
    what = "missing"
    if not bad.any() and y.dtype.kind == "f":
        values = y.to_numpy(np.float64)
        bad = ~is_usable(values)
        what = "infinite" if np.isinf(values).any() else f"beyond ±{LARGEST:g}"
    if bad.any():
        raise InputError(
            f"load: target '{target}' is {what} in {int(bad.sum())} of {len(y)} rows (first: row {int(bad.argmax())}, "
            "counted from 0); drop these rows or fill them."
        )


def check_classes(codes: Array, classes: tuple[str, ...], target: str) -> None:
    """Check that a target has at least two classes, and each class at least two rows.

    Raises:
        InputError: it does not; the message names the classes.
    """
    if len(classes) == 1:
        raise InputError(
            f"load: target '{target}' has a single class, '{classes[0]}'; rows of at least two classes are needed."
        )
    counts = np.bincount(codes, minlength=len(classes))
    single = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    if single:
        one = "class" if len(single) == 1 else f"{len(single)} classes"
        raise InputError(
            f"load: target '{target}' has a single row of {one} {quoted(single)}; collect more, merge or "
            "drop the rows" + (", or use task='regression'." if len(single) > SHOWN else ".")
        )


def check_length(x: object, y: object) -> None:
    """Check that x and y have the same length and, as pandas objects, the same order of rows.

    Raises:
        InputError: they do not.
    """
    rows, targets = len(x), len(y)  # type: ignore[arg-type]
    if rows != targets:
        raise InputError(f"load: x has {rows} rows but y has {targets}; one target for each row is needed.")
    check_order(x, y, "y")


def check_order(x: object, values: object, name: str) -> None:
    """Check that a table and a Series with the same index have it in the same order.

    Raises:
        InputError: they do not.
    """
    if not (isinstance(x, pd.DataFrame) and isinstance(values, pd.Series)) or x.index.equals(values.index):
        return
    own, other = x.index, values.index
    if len(own) == len(other) and own.is_unique and other.is_unique and len(own.difference(other)) == 0:
        row = int((own != other).argmax())
        raise InputError(
            f"load: x and {name} must have their rows in the same order, got index {own[row]} in x and {other[row]} in "
            f"{name} for row {row}; align them: {name} = {name}.loc[x.index]."
        )


def quoted(names: Any) -> str:
    """Names in quotes, the first few of them.

    >>> quoted(["a", "b"]), quoted("abcdefg")
    ("'a', 'b'", "'a', 'b', 'c', 'd', 'e' and 2 more")
    """
    shown = ", ".join(f"'{name}'" for name in list(names)[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
