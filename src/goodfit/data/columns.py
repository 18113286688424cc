"""The columns of a table as numbers, dates or categories, whatever their dtype."""

from __future__ import annotations

import datetime
import numbers as abstract
import re
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from goodfit.errors import InputError

ColumnType: TypeAlias = Literal["number", "date", "category"]
Floats: TypeAlias = npt.NDArray[np.float64]

MISSING_WORDS = frozenset({"", "?", "na", "n/a", "nan", "<na>", "null", "none", "-"})
"""Words for missing values if all other values of the column are numbers; in other columns they are categories."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?$")


def column_type(column: pd.Series[Any]) -> ColumnType:
    """Whether the values of a column are numbers, dates or categories.

    Numbers, booleans and durations are numbers; text is a number if every value is one; ISO dates are dates; a pandas
    categorical always holds categories.

    >>> [column_type(pd.Series(values)) for values in (["1", "2.5", None], ["1", "two"], ["2024-05-01"])]
    ['number', 'category', 'date']
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return "number"
    _, known = pd.factorize(column)
    values = [value for value in known if not (isinstance(value, str) and _is_missing_word(value))]
    if not values:  # only words for missing values ("none", "?"): categories
        return "category" if len(known) else "number"
    if all(parse_number(value) is not None for value in values):
        return "number"
    return "date" if all(_is_date(value) for value in values) else "category"


def first_other(column: pd.Series[Any], dates: bool = False) -> tuple[int, Any]:
    """The row and value of the first value that is not a number, nor, with `dates`, an ISO date.

    >>> first_other(pd.Series(["1", "two", "2024-05-01"])), first_other(pd.Series(["2024-05-01", "two"]), dates=True)
    ((1, 'two'), (1, 'two'))
    """
    others = (
        (row, value)
        for row, value in enumerate(column)
        if parse_number(value) is None and not (dates and _is_date(value))
    )
    return next(others, (0, column.iloc[0]))


def convert_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert text columns whose values are numbers or dates.

    All rows are used, also those of the later test part: the type of a column is not a statistic.
    """
    changed: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        if not is_text(column):
            continue
        what = column_type(column)
        if what == "number":
            changed[name] = numbers(column)
        elif what == "date":
            changed[name] = _dates(column)
    return frame.assign(**changed) if changed else frame


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column is stored as text or as objects."""
    return pd.api.types.is_object_dtype(column) or isinstance(column.dtype, pd.StringDtype)


def numbers(column: pd.Series[Any]) -> Floats:
    """The numbers of a column; missing values are NaN, durations are seconds.

    Shape: (rows,) → (rows,) float64.

    Raises:
        InputError: a text is not a number.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if pd.api.types.is_timedelta64_dtype(column):
        return np.asarray(column.dt.total_seconds(), np.float64)
    if not is_text(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    codes, known = pd.factorize(column)
    table = np.full(len(known) + 1, np.nan)  # the last entry is for code −1, missing
    for i, value in enumerate(known):
        parsed = parse_number(value)
        if parsed is None:
            raise InputError(f"data: column '{column.name}' holds numbers, but also {value!r}; fix or drop that row.")
        table[i] = parsed
    return cast(Floats, table[codes])


def seconds(column: pd.Series[Any]) -> Floats:
    """The dates of a column as seconds since 1970 (UTC); missing dates are NaN.

    Shape: (rows,) → (rows,) float64.

    Raises:
        InputError: a text is not an ISO date.
    """
    dates = _dates(column)
    out = dates.dt.as_unit("us").astype("int64").to_numpy() / 1e6
    return cast(Floats, np.where(dates.isna().to_numpy(), np.nan, out))


def category_codes(column: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], list[str | None]]:
    """The categories of a column as indices into a list of names; the last name, None, is for missing values.

    Shape: (rows,) → indices (rows,), names.

    >>> category_codes(pd.Series(["b", None, "a", "b"]))
    (array([0, 2, 1, 0]), ['b', 'a', None])
    """
    codes, known = pd.factorize(column.astype(object))
    names: list[str | None] = [category_name(value) for value in known]
    return np.where(codes < 0, len(names), codes).astype(np.int64), [*names, None]


def category_name(value: object) -> str:
    """The name of a category; 1, 1.0 and '1' have the same name.

    >>> category_name(1.0), category_name(True), category_name("a")
    ('1', 'True', 'a')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def parse_number(value: object) -> float | None:
    """The number that a value is or contains as text; NaN for a missing value, None for anything else.

    >>> parse_number(" 2.5 "), parse_number("x"), parse_number(True)
    (2.5, None, 1.0)
    """
    if isinstance(value, abstract.Real | np.bool_ | Decimal):
        return float(value)
    if not isinstance(value, str) or "_" in value:  # float("1_000") would be 1000
        return None
    word = value.strip()
    if word.lower() in MISSING_WORDS:
        return float("nan")
    try:
        return float(word)
    except ValueError:
        return None


def _is_missing_word(value: str) -> bool:
    return value.strip().lower() in MISSING_WORDS


def _is_date(value: object) -> bool:
    if isinstance(value, datetime.date):
        return True
    return isinstance(value, str) and _DATE.match(value.strip()) is not None


def _dates(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True)
    text = column.map(lambda value: None if pd.isna(value) or _is_missing_word(str(value)) else str(value).strip())
    try:
        return pd.to_datetime(text, format="ISO8601", utc=True)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"data: column '{column.name}' holds dates, but also a value that is not an ISO date (2024-05-31); fix it."
        ) from error
