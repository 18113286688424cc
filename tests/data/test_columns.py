import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from goodfit.data.columns import category_codes, column_type, convert_texts, is_text, numbers, parse_number, seconds
from goodfit.errors import InputError


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([1, 2, 3], "number"),
        ([True, None, False], "number"),
        (["1", " 2.5 ", "NA", None], "number"),
        (["1e3", "-4"], "number"),
        (["1_000", "2"], "category"),
        (["1", "two"], "category"),
        (["none", "?"], "category"),
        (["2024-01-01", "2024-02-03 04:05:06", None], "date"),
        ([datetime.date(2024, 1, 2), None], "date"),
        ([Decimal("1.5"), Decimal("2")], "number"),
        (pd.Categorical([1, 2]), "category"),
        (pd.to_timedelta([1, 2], unit="s"), "number"),
        (pd.to_datetime(["2024-01-01"]), "date"),
        (pd.array([1, None], dtype="Int64"), "number"),
        (pd.array([True, None], dtype="boolean"), "number"),
        (pd.array([1.5, None], dtype="Float64"), "number"),
    ],
)
def test_column_type(values: object, what: str) -> None:
    column = pd.Series(values)
    assert column_type(column) == what
    if is_text(column):
        assert column_type(column.astype(object)) == what


def test_numbers_of_every_dtype() -> None:
    assert numbers(pd.Series(["1", "?", None, " 2.5"])).tolist()[::3] == [1, 2.5]
    assert np.isnan(numbers(pd.Series(["1", "?", None]))[1:]).all()
    assert np.isnan(numbers(pd.Series(pd.array([1, None], dtype="Int64")))[1])
    assert numbers(pd.Series(pd.array([True, False], dtype="boolean"))).tolist() == [1, 0]
    assert numbers(pd.Series(pd.to_timedelta([1, 90], unit="s"))).tolist() == [1, 90]
    with pytest.raises(InputError, match=r"'size' holds numbers, but also 'big'"):
        numbers(pd.Series(["1", "big"], name="size"))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_seconds_of_every_unit(unit: str) -> None:
    column = pd.Series(pd.to_datetime(["1970-01-02", None])).dt.as_unit(unit)
    assert seconds(column)[0] == 86400
    assert np.isnan(seconds(column)[1])
    assert seconds(column.dt.tz_localize("UTC"))[0] == 86400


def test_seconds_of_texts() -> None:
    assert seconds(pd.Series(["1970-01-01 00:01:00", None]))[0] == 60
    with pytest.raises(InputError, match="not an ISO date"):
        seconds(pd.Series(["1970-01-01", "soon"], name="day"))


def test_equal_numbers_are_one_category() -> None:
    codes, names = category_codes(pd.Series([1, "a", None, 1.0], dtype=object))
    assert [names[c] for c in codes] == ["1", "a", None, "1"]


def test_only_text_columns_are_converted() -> None:
    frame = pd.DataFrame({"a": ["1", "2"], "b": ["x", "y"], "c": ["2024-01-01", "2024-01-02"], "d": [1, 2]})
    out = convert_texts(frame)
    assert out["a"].dtype == np.float64
    assert pd.api.types.is_datetime64_any_dtype(out["c"])
    assert out["b"].tolist() == ["x", "y"]
    assert out["d"].dtype == frame["d"].dtype
    assert frame["a"].tolist() == ["1", "2"]  # the user's table is untouched


def test_parse_number() -> None:
    assert parse_number("x") is None
    assert parse_number("1_000") is None
    assert np.isnan(parse_number("N/A") or 0)
    assert parse_number(np.float32(2)) == 2
