import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from goodfit.data import load
from goodfit.data.encoding import TableFeatures, min_category_rows
from goodfit.errors import InputError

NUMBERS = ["age", "income", "children", "member", "since", "digits"]
CATEGORIES = ["city", "grade"]


def sklearn_inputs(train: pd.DataFrame, other: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """The same preprocessing by scikit-learn alone."""

    def plain(frame: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame(index=frame.index)
        for name in ("age", "income", "children", "member", "digits"):
            out[name] = frame[name].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        out["since"] = (frame["since"] - pd.Timestamp(0)).dt.total_seconds()
        for name in CATEGORIES:
            column = frame[name].astype(object)
            out[name] = column.where(column.notna(), None)
        return out

    rare = min_category_rows(len(train))
    columns = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            ("missing", MissingIndicator(features="missing-only"), NUMBERS),
            (
                "category",
                OneHotEncoder(min_frequency=rare, handle_unknown="ignore", sparse_output=False),
                CATEGORIES,
            ),
        ]
    ).fit(plain(train))
    names = columns.get_feature_names_out().tolist()
    kept = [i for i, name in enumerate(names) if "infrequent_sklearn" not in name]
    return columns.transform(plain(other))[:, kept].astype(np.float32), [names[i] for i in kept]


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_equals_a_scikit_learn_pipeline_also_after_json(mixed: pd.DataFrame) -> None:
    train, other = mixed.iloc[:200].drop(columns="y"), mixed.iloc[200:].drop(columns="y")
    other = other.assign(city=other["city"].replace("Oslo", "Unseen"))
    learned = TableFeatures.fit(train)
    reloaded = TableFeatures.from_dict(json.loads(json.dumps(learned.to_dict())))
    assert reloaded == learned
    for part in (train, other):
        expected, names = sklearn_inputs(train, part)
        assert np.array_equal(learned.transform(part), expected.astype(np.float32))
        assert np.array_equal(reloaded.transform(part), learned.transform(part))
        assert len(learned.feature_names) == len(names)


def test_names_and_rules(mixed: pd.DataFrame) -> None:
    learned = TableFeatures.fit(mixed.drop(columns="y"))
    names = learned.feature_names
    assert "flat" not in names  # constant
    assert "city=Atlantis" not in names  # rare
    for name in (
        "age",
        "since",
        "digits",
        "income is missing",
        "since is missing",
        "city=(missing)",
        "grade=low",
    ):
        assert name in names
    out = learned.transform(mixed)  # the target is an extra column
    block = [names.index(f"city={c}") for c in ("Bern", "Oslo", "Rome", "(missing)")]
    assert out[3, block].tolist() == [0, 0, 0, 0]
    assert out[1, block].sum() == 1
    assert out[0, block[3]] == 1
    assert out[0, names.index("income is missing")] == 1


def test_missing_columns_are_reported(mixed: pd.DataFrame) -> None:
    learned = TableFeatures.fit(mixed.drop(columns="y"))
    with pytest.raises(InputError, match="the table has no columns 'age', 'city'"):
        learned.transform(mixed.drop(columns=["age", "city"]))
    assert len(learned.transform(mixed.drop(columns="flat"))) == len(mixed)
    with pytest.raises(InputError, match="got ndarray"):
        learned.transform(np.zeros((3, 3)))


def test_new_rows_of_other_types(mixed: pd.DataFrame) -> None:
    learned = TableFeatures.fit(mixed.drop(columns="y"))
    with pytest.raises(InputError, match="'digits' holds numbers, but also 'many'"):
        learned.transform(mixed.assign(digits="many"))
    with pytest.raises(InputError, match="'age' holds an infinite value in row 0"):
        learned.transform(mixed.assign(age=np.inf))


def test_equal_values_of_other_dtypes(mixed: pd.DataFrame) -> None:
    learned = TableFeatures.fit(mixed.drop(columns="y"))
    other = mixed.assign(
        digits=mixed["digits"].astype(float),
        grade=mixed["grade"].astype(str),
        since=mixed["since"].astype(str).where(mixed["since"].notna(), None),
        children=mixed["children"].astype("Float64"),
        member=mixed["member"].astype(object),
    )
    assert np.array_equal(learned.transform(other), learned.transform(mixed))


def test_columns_missing_or_constant_in_training_only() -> None:
    train = pd.DataFrame({"a": [1.0, 2, 3, 4], "gone": [np.nan] * 4, "same": [5.0] * 4, "word": ["x"] * 4})
    other = pd.DataFrame({"a": [9.0], "gone": [1.0], "same": [6.0], "word": ["y"]})
    learned = TableFeatures.fit(train)
    assert learned.feature_names == ("a",)
    assert learned.transform(other).shape == (1, 1)
    # Missing later, never in training: filled with the median, no indicator.
    assert learned.transform(pd.DataFrame({"a": [np.nan]})).tolist() == [[0.0]]


def test_a_constant_column_with_missing_values_keeps_the_indicator() -> None:
    learned = TableFeatures.fit(pd.DataFrame({"a": [1.0, np.nan, 1.0, 1.0]}))
    assert learned.feature_names == ("a is missing",)


def test_only_constant_columns() -> None:
    with pytest.raises(InputError, match="every column is constant or missing in the training part, got '"):
        TableFeatures.fit(pd.DataFrame({"a": [1.0, 1.0]}))


def test_the_number_of_categories_is_limited() -> None:
    frame = pd.DataFrame({"a": [f"c{i % 500}" for i in range(20_000)]})
    assert len(TableFeatures.fit(frame).feature_names) == 200


def test_pandas_output_of_scikit_learn_has_no_effect() -> None:
    from sklearn import config_context

    frame = load("iris").x
    assert isinstance(frame, pd.DataFrame)
    with config_context(transform_output="pandas"):
        inside = TableFeatures.fit(frame).transform(frame)
    assert np.array_equal(inside, TableFeatures.fit(frame).transform(frame))


def test_column_names_may_be_numbers() -> None:
    assert TableFeatures.fit(pd.DataFrame({0: [1.0, 2.0], 1: [2.0, 2.0]})).feature_names == ("0",)
