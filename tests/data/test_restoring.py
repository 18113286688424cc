"""Inputs brought back to the units of the data: what was known comes back as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.data import load
from goodfit.data.arrays import ArrayFeatures
from goodfit.data.encoding import TableFeatures
from goodfit.data.inputs import InputOptions
from goodfit.data.restoring import MISSING, OTHER, CategoryAt, restore, restore_array, standing
from goodfit.errors import InputError

WHOLE = ["children", "member", "digits"]


def test_a_mixed_table_comes_back(mixed: pd.DataFrame) -> None:
    table = mixed.drop(columns="y")
    features = TableFeatures.fit(table)
    x = features.transform(table)
    back = restore(features, x)
    assert set(back.columns) == set(table.columns) - {"flat"}  # a constant column gives no input
    for name in WHOLE:
        wanted = table[name].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        assert np.array_equal(back[name], wanted, equal_nan=True)
    for name in ("age", "income"):
        spread = table[name].std()
        np.testing.assert_allclose(back[name], table[name], rtol=0, atol=2e-6 * spread)
        assert (back[name].isna() == table[name].isna()).all()
    assert (back["since"].dropna() == table["since"].dropna().dt.tz_localize("UTC")).all()
    assert (back["since"].isna() == table["since"].isna()).all()
    rare = {"Atlantis": OTHER}  # one row
    assert back["city"].tolist() == [rare.get(name, name) if isinstance(name, str) else None for name in table["city"]]
    assert back["grade"].tolist() == table["grade"].astype(str).tolist()
    np.testing.assert_allclose(features.transform(back), x, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("name", "target"), [("credit-g", "class"), ("adult", "class")])
def test_real_tables_come_back_to_the_last_digit(shared: Callable[[str], Path], name: str, target: str) -> None:
    path = shared(f"tabular/{name}.csv.gz")
    split = load(path, target).split(seed=0)
    assert split.preprocessing is not None
    features = split.preprocessing.features
    assert isinstance(features, TableFeatures)
    back = restore(features, split.train.x.numpy())
    raw = pd.read_csv(path, keep_default_na=False).iloc[split.train.rows].reset_index(drop=True)
    for column in features.numbers:
        assert (back[column.name] == raw[column.name]).all()
    for block in features.categories:
        known = raw[block.name].isin([one for one in block.categories if one is not None])
        assert known.mean() > 0.9
        assert (back.loc[known, block.name] == raw.loc[known, block.name]).all()


def test_whole_numbers_stay_whole_far_from_zero() -> None:
    values = np.array([1_000_000_007, 1_000_000_009, 1_000_000_013, 1_000_000_021])
    features = TableFeatures.fit(pd.DataFrame({"id": values}))
    back = restore(features, features.transform(pd.DataFrame({"id": values})))
    assert back["id"].tolist() == values.tolist()


def test_what_is_constant_but_sometimes_missing() -> None:
    table = pd.DataFrame({"sent": [3.0, np.nan, 3.0, 3.0], "other": [1.0, 2.0, 3.0, 4.0]})
    features = TableFeatures.fit(table)
    assert features.feature_names == ("other", "sent is missing")
    pd.testing.assert_frame_equal(restore(features, features.transform(table))[["sent", "other"]], table)


def test_where_columns_stand() -> None:
    table = pd.DataFrame({"b": list("uvuv"), "a": [1.0, None, 3.0, 2.0], "c": ["x", None, "x", "x"], "d": [1, 2, 3, 4]})
    features = TableFeatures.fit(pd.concat([table] * 4, ignore_index=True))
    names = features.feature_names
    for at in standing(features):
        if isinstance(at, CategoryAt):
            own = names[at.first : at.first + len(at.names)]
            assert own == tuple(f"{at.column.name}={name}" for name in at.names)
        else:
            assert at.value is not None
            assert names[at.value] == at.column.name
            assert at.missing is None or names[at.missing] == f"{at.column.name} is missing"
    assert any(MISSING in at.names for at in standing(features) if isinstance(at, CategoryAt))


def test_other_rows_are_refused() -> None:
    features = TableFeatures.fit(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]}))
    with pytest.raises(InputError, match=r"restore: rows of shape \(2,\) are needed, got \(3,\)"):
        restore(features, np.zeros((1, 3), np.float32))


def test_arrays_come_back() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(5, [1, 100, 1e-4], (50, 3))
    features = ArrayFeatures.fit(flat)
    np.testing.assert_allclose(restore_array(features, features.transform(flat)), flat, rtol=1e-5)
    series = rng.normal(-3, 2, (20, 2, 9))
    features = ArrayFeatures.fit(series, InputOptions("series"))
    np.testing.assert_allclose(restore_array(features, features.transform(series)), series, rtol=1e-5, atol=1e-5)
    shades = rng.integers(0, 256, (20, 6)).astype(np.uint8)
    features = ArrayFeatures.fit(shades)
    np.testing.assert_allclose(restore_array(features, features.transform(shades)), shades, atol=1e-3)


def test_whitened_images_do_not_come_back() -> None:
    shades = np.random.default_rng(0).integers(0, 256, (30, 1, 4, 4)).astype(np.uint8)
    features = ArrayFeatures.fit(shades, InputOptions("image", whiten=0.1))
    with pytest.raises(InputError, match="restore: whitened images cannot be brought back"):
        restore_array(features, features.transform(shades))
