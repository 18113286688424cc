"""The fingerprint of data: the same for the same data only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.data import Dataset, load, storage
from goodfit.data.fingerprint import fingerprint
from goodfit.data.inputs import InputOptions

ROWS = 40


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "width": rng.normal(size=ROWS),
            "count": rng.integers(0, 9, ROWS),
            "city": np.array(["Bonn", "Köln", "Paris", None], object)[np.arange(1, ROWS + 1) % 4],
            "open": np.arange(ROWS) % 3 == 0,
            "day": pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d"),
            "y": np.where(np.arange(ROWS) % 2, "yes", "no"),
        }
    )


def of(frame: pd.DataFrame) -> str:
    return fingerprint(load(frame, "y"))


def test_the_same_data_has_the_same_fingerprint(tmp_path: Path) -> None:
    assert of(table()) == of(table())
    assert of(table().set_index(np.arange(ROWS) + 7)) == of(table())  # the index is no data
    for name in ("a", "b"):
        table().to_csv(tmp_path / f"{name}.csv", index=False)
    assert fingerprint(load(tmp_path / "a.csv", "y")) == fingerprint(load(tmp_path / "b.csv", "y"))


def changed(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Another value in row 3."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = [value if i == 3 else v for i, v in enumerate(frame[column])]
        return frame

    return change


CHANGES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a number": changed("width", 0.125),
    "a missing number": changed("width", np.nan),
    "a count": changed("count", 11),
    "a category": changed("city", "Rome"),
    "a missing category": changed("city", None),
    "a truth": changed("open", False),
    "a day": changed("day", "2031-12-31"),
    "a target": changed("y", "no"),
    "the order of rows": lambda frame: frame.iloc[::-1],
    "a row less": lambda frame: frame.iloc[:-1],
    "the name of a column": lambda frame: frame.rename(columns={"width": "length"}),
    "the order of columns": lambda frame: frame[["count", "width", *frame.columns[2:]]],
    "a column less": lambda frame: frame.drop(columns="count"),
    "the name of a class": lambda frame: frame.assign(y=frame["y"].replace("yes", "sure")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_changes_the_fingerprint(name: str) -> None:
    before, after = table(), CHANGES[name](table())
    assert not before.equals(after)
    assert of(after) != of(before)


def arrays(rows: int = ROWS, **options: object) -> Dataset:
    rng = np.random.default_rng(0)
    return load((rng.normal(size=(rows, 2)), np.arange(rows) % 2), **options)  # type: ignore[arg-type]


def test_groups_and_times_are_part_of_the_data() -> None:
    numbers = np.arange(ROWS) // 4
    prints = {
        fingerprint(each)
        for each in (
            arrays(), arrays(groups=numbers), arrays(time=numbers), arrays(groups=numbers + 1),
            arrays(groups=np.array([f"g{n}" for n in numbers])),
        )
    }  # fmt: skip
    assert len(prints) == 5


@pytest.mark.parametrize("unit", ["D", "ns"])
def test_times_may_be_dates_of_numpy(unit: str) -> None:
    days = np.datetime64("2024-01-01", unit) + np.arange(ROWS).astype(f"timedelta64[{unit}]")
    data = dataclasses.replace(arrays(), time=days)
    assert fingerprint(data) == fingerprint(dataclasses.replace(data, time=days.copy()))
    assert fingerprint(data) != fingerprint(dataclasses.replace(data, time=days[::-1]))


def test_an_official_test_part_is_part_of_the_data() -> None:
    data = arrays()
    test = dataclasses.replace(data, test=(data.x[:5], data.y[:5]))  # type: ignore[index]
    other = dataclasses.replace(data, test=(data.x[5:10], data.y[5:10]))  # type: ignore[index]
    assert len({fingerprint(each) for each in (data, test, other)}) == 3


def test_the_type_of_the_numbers_matters_and_their_memory_does_not() -> None:
    data = arrays()
    x = np.asarray(data.x)
    single = dataclasses.replace(data, x=x.astype(np.float32))
    fortran = dataclasses.replace(data, x=np.asfortranarray(x))
    assert fingerprint(single) != fingerprint(data)
    assert fingerprint(fortran) == fingerprint(data)


def test_arrays_that_are_read_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = arrays(500)
    np.save(tmp_path / "x.npy", np.asarray(data.x))
    mapped = dataclasses.replace(data, x=np.load(tmp_path / "x.npy", mmap_mode="r"))
    whole = fingerprint(data)
    assert fingerprint(mapped) == whole
    monkeypatch.setattr(storage, "CHUNK", 7)
    assert fingerprint(mapped) == fingerprint(data) == whole


def test_of_a_split() -> None:
    split = arrays().split(1)
    assert fingerprint(split) == fingerprint(arrays().split(1))
    assert fingerprint(split) != fingerprint(arrays().split(2))
    y = split.test.y.clone()
    y[0] = 1 - y[0]
    other = dataclasses.replace(split, test=dataclasses.replace(split.test, y=y))
    assert not torch.equal(other.test.y, split.test.y)
    assert fingerprint(other) != fingerprint(split)


def test_it_is_a_short_text() -> None:
    text = fingerprint(arrays())
    assert len(text) == 32
    assert int(text, 16) >= 0


@pytest.mark.parametrize("text", ["nan", "None", ""])
def test_a_missing_value_differs_from_texts(text: str) -> None:
    def data(value: str | None) -> Dataset:
        return load(pd.DataFrame({"a": ["u", "v", value, "u"] * 5, "y": [0, 1] * 10}), "y")

    x = pd.DataFrame({"a": ["u", "v", text, "u"] * 5})
    replaced = dataclasses.replace(data(None), x=x)
    assert fingerprint(replaced) != fingerprint(data(None))


def test_options_and_classes_are_part_of_the_fingerprint() -> None:
    data = load("iris")
    for change in ({"input_options": InputOptions(whiten=0.1)}, {"classes": ("b", "a", "c")}, {"target": "other"}):
        assert fingerprint(dataclasses.replace(data, **change)) != fingerprint(data)
