"""What a table's column holds: numbers, dates or categories, whatever type it is stored in."""

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

# In a column whose other values are all numbers these words mean "missing"; among texts they stay categories.
MISSING_WORDS = frozenset({"", "?", "na", "n/a", "nan", "<na>", "null", "none", "-"})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?$")


def column_type(column: pd.Series[Any]) -> ColumnType:
    """Whether a column is read as numbers, as dates or as categories.

    Numbers, booleans and durations are numbers; text is numbers only if every value of it is one; ISO dates
    are dates; a pandas categorical is always a category, because its owner said so.

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
    if not values:  # words alone ("none", "?") are categories: only among numbers do they mean missing
        return "category" if len(known) else "number"
    if all(parse_number(value) is not None for value in values):
        return "number"
    return "date" if all(_is_date(value) for value in values) else "category"


def convert_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with texts that are numbers or dates turned into such columns; the rest untouched.

    Decided on all rows, before any division: a column's type is not a statistic.
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
    """Whether the column is stored as texts or as objects of any kind."""
    return pd.api.types.is_object_dtype(column) or isinstance(column.dtype, pd.StringDtype)


def numbers(column: pd.Series[Any]) -> Floats:
    """A column's numbers; missing values are NaN, dates and durations are seconds.

    Shape: (rows,) → (rows,) float64.

    Raises:
        InputError: a text that is not a number; it is quoted.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if pd.api.types.is_timedelta64_dtype(column):
        return np.asarray(column.dt.total_seconds(), np.float64)
    if not is_text(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    codes, known = pd.factorize(column)
    table = np.full(len(known) + 1, np.nan)  # the last entry serves code -1, missing
    for i, value in enumerate(known):
        parsed = parse_number(value)
        if parsed is None:
            raise InputError(f"data: column '{column.name}' holds numbers, but also {value!r}; mend or drop that row.")
        table[i] = parsed
    return cast(Floats, table[codes])


def seconds(column: pd.Series[Any]) -> Floats:
    """A column of dates as seconds since 1970 (UTC); missing dates are NaN.

    Shape: (rows,) → (rows,) float64.

    Raises:
        InputError: a text that is not an ISO date.
    """
    dates = _dates(column)
    out = dates.dt.as_unit("us").astype("int64").to_numpy() / 1e6
    return cast(Floats, np.where(dates.isna().to_numpy(), np.nan, out))


def category_codes(column: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], list[str | None]]:
    """A column of categories as codes into a list of texts; missing is the last entry, None.

    Shape: (rows,) → codes (rows,), texts.

    >>> category_codes(pd.Series(["b", None, "a", "b"]))
    (array([0, 2, 1, 0]), ['b', 'a', None])
    """
    codes, known = pd.factorize(column.astype(object))
    names: list[str | None] = [category_name(value) for value in known]
    return np.where(codes < 0, len(names), codes).astype(np.int64), [*names, None]


def category_name(value: object) -> str:
    """A category's name: 1, 1.0 and '1' are the same one.

    >>> category_name(1.0), category_name(True), category_name("a")
    ('1', 'True', 'a')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def parse_number(value: object) -> float | None:
    """The number in a value; NaN for a word that means missing, None where there is no number.

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
            f"data: column '{column.name}' holds dates, but also something that is no ISO date (2024-05-31); mend it."
        ) from error
