"""The inverse of preprocessing gives the values of the data back."""

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
from goodfit.data.inverse_transform import (
    MISSING,
    OTHER,
    CategoryInputs,
    column_inputs,
    inverse_transform,
    inverse_transform_array,
)
from goodfit.errors import InputError

WHOLE = ["children", "member", "digits"]


def test_a_mixed_table_is_restored(mixed: pd.DataFrame) -> None:
    table = mixed.drop(columns="y")
    features = TableFeatures.fit(table)
    x = features.transform(table)
    back = inverse_transform(features, x)
    assert set(back.columns) == set(table.columns) - {"flat"}  # a constant column gives no input
    for name in WHOLE:
        expected = table[name].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        assert np.array_equal(back[name], expected, equal_nan=True)
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
def test_real_tables_are_restored_to_the_last_digit(shared: Callable[[str], Path], name: str, target: str) -> None:
    path = shared(f"tabular/{name}.csv.gz")
    split = load(path, target).split(seed=0)
    assert split.preprocessing is not None
    features = split.preprocessing.features
    assert isinstance(features, TableFeatures)
    back = inverse_transform(features, split.train.x.numpy())
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
    back = inverse_transform(features, features.transform(pd.DataFrame({"id": values})))
    assert back["id"].tolist() == values.tolist()


def test_a_constant_column_with_missing_values() -> None:
    table = pd.DataFrame({"sent": [3.0, np.nan, 3.0, 3.0], "other": [1.0, 2.0, 3.0, 4.0]})
    features = TableFeatures.fit(table)
    assert features.feature_names == ("other", "sent is missing")
    pd.testing.assert_frame_equal(inverse_transform(features, features.transform(table))[["sent", "other"]], table)


def test_positions_of_the_inputs_of_each_column() -> None:
    table = pd.DataFrame({"b": list("uvuv"), "a": [1.0, None, 3.0, 2.0], "c": ["x", None, "x", "x"], "d": [1, 2, 3, 4]})
    features = TableFeatures.fit(pd.concat([table] * 4, ignore_index=True))
    names = features.feature_names
    for each in column_inputs(features):
        if isinstance(each, CategoryInputs):
            own = names[each.first : each.first + len(each.names)]
            assert own == tuple(f"{each.column.name}={name}" for name in each.names)
        else:
            assert each.value is not None
            assert names[each.value] == each.column.name
            assert each.missing is None or names[each.missing] == f"{each.column.name} is missing"
    assert any(MISSING in each.names for each in column_inputs(features) if isinstance(each, CategoryInputs))


def test_rows_of_another_shape_are_refused() -> None:
    features = TableFeatures.fit(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]}))
    with pytest.raises(InputError, match=r"inverse_transform: rows must have the shape \(2,\), got \(3,\)"):
        inverse_transform(features, np.zeros((1, 3), np.float32))


def test_arrays_are_restored() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(5, [1, 100, 1e-4], (50, 3))
    features = ArrayFeatures.fit(flat)
    np.testing.assert_allclose(inverse_transform_array(features, features.transform(flat)), flat, rtol=1e-5)
    series = rng.normal(-3, 2, (20, 2, 9))
    features = ArrayFeatures.fit(series, InputOptions("series"))
    back = inverse_transform_array(features, features.transform(series))
    np.testing.assert_allclose(back, series, rtol=1e-5, atol=1e-5)
    shades = rng.integers(0, 256, (20, 6)).astype(np.uint8)
    features = ArrayFeatures.fit(shades)
    np.testing.assert_allclose(inverse_transform_array(features, features.transform(shades)), shades, atol=1e-3)


def test_whitened_images_are_refused() -> None:
    shades = np.random.default_rng(0).integers(0, 256, (30, 1, 4, 4)).astype(np.uint8)
    features = ArrayFeatures.fit(shades, InputOptions("image", whiten=0.1))
    with pytest.raises(InputError, match="inverse_transform: the whitening of samples cannot be inverted"):
        inverse_transform_array(features, features.transform(shades))
