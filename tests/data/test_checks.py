"""Every error of invalid data is one line: what, where, remedy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.data import load
from goodfit.errors import InputError


def table(n: int = 100, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=n), "y": ["no", "yes"] * (n // 2), **columns})


def error_of(source: object, target: str | None = None, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(source, target, **more)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_all_missing_column() -> None:
    text = error_of(table(income=[None] * 100), "y")
    assert text == "load: column 'income' is missing in all 100 rows; drop it or fill it."


def test_all_invalid_columns_in_one_message() -> None:
    bad = table(
        empty=[np.nan] * 100,
        name=[f"person {i}" for i in range(100)],
        wild=[np.inf] * 3 + [0.0] * 97,
        nested=[[1]] * 100,
        phase=[1j] * 100,
    )
    text = error_of(bad, "y")
    assert text.startswith("load: 5 columns cannot be used")
    for part in (
        "'empty' is missing",
        "'name' holds 100 different texts",
        "'wild' holds 3 infinite",
        "'nested'",
    ):
        assert part in text
    assert "'phase' holds complex128" in text


def test_short_id_columns_are_allowed() -> None:
    assert load(table(n=40, name=[f"person {i}" for i in range(40)]), "y").x.shape == (40, 2)


def test_a_missing_target_lists_similar_names() -> None:
    assert "Did you mean 'income'?" in error_of(table(income=range(100)), "incme")
    assert "name the target column" in error_of(table().rename(columns={"y": "outcome"}))


def test_empty_tables() -> None:
    assert "empty (0 rows" in error_of(pd.DataFrame({"a": [], "y": []}), "y")
    assert "empty (0 rows, 0 columns)" in error_of(pd.DataFrame(), "y")
    assert "no column except the target" in error_of(table()[["y"]], "y")


def test_a_single_class_and_a_class_with_a_single_row() -> None:
    assert "has a single class, 'no'" in error_of(table().assign(y="no"), "y")
    frame = table()
    frame.loc[5, "y"] = "maybe"
    assert "a single row of class 'maybe'" in error_of(frame, "y")
    frame["y"] = [f"c{i}" for i in range(100)]
    assert "of 100 classes 'c0', 'c1'" in error_of(frame, "y")


def test_missing_and_infinite_targets() -> None:
    frame = table()
    frame.loc[[8, 9], "y"] = None
    assert "target 'y' is missing in 2 of 100 rows (first: row 8" in error_of(frame, "y")
    numeric = table().assign(y=np.arange(100) / 7)
    numeric.loc[4, "y"] = -np.inf
    assert "infinite in 1 of 100 rows (first: row 4" in error_of(numeric, "y")
    numeric.loc[4, "y"] = 1e200
    assert "beyond ±1e+100 in 1 of 100 rows (first: row 4" in error_of(numeric, "y")
    assert "is 3 in every row" in error_of(table().assign(y=3.0), "y", task="regression")


def test_duplicate_column_names() -> None:
    frame = pd.DataFrame([[1, 2, "n"], [2, 3, "m"]], columns=["a", "a", "y"])
    assert "'a' names more than one column" in error_of(frame, "y")
    assert "'1' names more than one" in error_of(frame.set_axis([1, "1", "y"], axis=1), "y")


def test_length_and_order_of_x_and_y() -> None:
    assert "x has 3 rows but y has 2" in error_of((np.zeros((3, 2)), [0, 1]))
    x = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})
    assert "rows in the same order, got index 0 in x and 3 in y for row 0" in error_of(
        (x, pd.Series([0, 1, 0, 1], index=[3, 2, 1, 0]))
    )
    assert len(load((x, pd.Series([0, 1, 0, 1], index=[7, 8, 9, 10])))) == 4


def test_arrays_with_missing_values_or_objects() -> None:
    x = np.zeros((4, 3))
    x[2, 1] = np.nan
    assert "NaN in row 2, column 1" in error_of((x, [0, 1, 0, 1]))
    x[2, 1] = -1e200
    assert "-1e+200 (beyond ±1e+100, which counts as infinite) in row 2, column 1" in error_of((x, [0, 1, 0, 1]))
    assert "object values" in error_of((np.array([[1, "a"], [2, "b"]], object), [0, 1]))


def test_groups_and_time() -> None:
    assert "no column 'pateint' for groups. Did you mean 'patient'" in error_of(
        table(patient=range(100)), "y", groups="pateint"
    )
    assert "names a column, but x is an array" in error_of((np.zeros((4, 1)), [0, 1, 0, 1]), groups="g")
    assert "time has 2 values but x has 100" in error_of(table(), "y", time=[1, 2])
    reversed_rows = pd.Series(range(100), index=range(99, -1, -1))
    for role in ("groups", "time"):
        text = error_of(table(), "y", **{role: reversed_rows})
        assert f"load: x and {role} must have their rows in the same order, got index 0 in x and 99 in {role}" in text
        assert text.endswith(f"align them: {role} = {role}.loc[x.index].")
    assert "groups is missing in 1 rows (first: row 0)" in error_of(table(), "y", groups=[None, *range(99)])


def test_invalid_sources() -> None:
    assert (
        "load: source must be a path, a DataFrame, a pair (X, y) or the name of a bundled data set, got dict"
        in error_of({"a": [1]})
    )
    assert "load((X, y))" in error_of(table(), [0, 1])  # type: ignore[arg-type]
