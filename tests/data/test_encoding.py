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
from goodfit.data.inverse_transform import inverse_transform
from goodfit.errors import InputError
from goodfit.serialization import to_json

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


# ---- inputs that follow from other rows ----------------------------------------------------------------

ALL = pd.DataFrame(
    {
        "age": [1.0, 2.0, 3.0, 4.0, np.nan, 6.0],
        "flag": [0.0, 0.0, 0.0, 0.0, 1.0, 1.0],  # constant in the first four rows
        "empty": [np.nan, np.nan, np.nan, np.nan, 5.0, 7.0],
        "city": ["Rome", "Bern", "Rome", "Bern", "Oslo", "Oslo"],
        "seldom": ["a", "a", "a", "a", "b", "b"],
    }
)


def test_a_layout_decides_which_inputs_there_are_and_the_training_rows_their_values() -> None:
    layout, train = TableFeatures.fit(ALL), ALL.iloc[:4]
    learned, alone = TableFeatures.fit(train, layout), TableFeatures.fit(train)
    assert learned.feature_names == layout.feature_names
    assert learned.inputs == layout.inputs
    assert learned.feature_names != alone.feature_names
    inputs = pd.DataFrame(learned.transform(ALL), columns=learned.feature_names)
    own = pd.DataFrame(alone.transform(ALL), columns=alone.feature_names)
    pd.testing.assert_frame_equal(inputs[own.columns], own)  # values are those of the training rows
    others = inputs.drop(columns=own.columns)
    assert {"flag", "empty", "age is missing", "empty is missing", "city=Oslo", "seldom=a", "seldom=b"} == set(others)
    assert not others.to_numpy().any()


def test_what_no_training_row_shows_is_zero_for_other_rows_too() -> None:
    learned = TableFeatures.fit(ALL.iloc[:4], TableFeatures.fit(ALL))
    later = learned.transform(ALL.iloc[4:])
    shown = {name: later[:, i].tolist() for i, name in enumerate(learned.feature_names)}
    assert shown["flag"] == shown["empty"] == shown["age is missing"] == [0, 0]
    assert shown["city=Oslo"] == shown["seldom=b"] == [0, 0]


def test_an_encoding_with_a_layout_survives_json_and_is_inverted() -> None:
    learned = TableFeatures.fit(ALL.iloc[:4], TableFeatures.fit(ALL))
    stored = json.loads(to_json(learned.to_dict()))
    assert TableFeatures.from_dict(stored) == learned
    table = inverse_transform(learned, learned.transform(ALL.iloc[:4]))
    assert table["age"].tolist() == [1, 2, 3, 4]
    assert table["flag"].tolist() == [0, 0, 0, 0]
    assert table["city"].tolist() == ["Rome", "Bern", "Rome", "Bern"]


def test_files_without_the_entries_that_layouts_need() -> None:
    learned = TableFeatures.fit(ALL)
    stored = json.loads(to_json(learned.to_dict()))
    for column in stored["categories"]:
        del column["unseen"]
    for column in stored["numbers"]:
        del column["missing_seen"]
    assert TableFeatures.from_dict(stored) == learned


def test_types_of_columns_follow_from_the_layout() -> None:
    frame = pd.DataFrame({"code": ["1", "2", "3", "4", "x", "x"], "value": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    learned = TableFeatures.fit(frame.iloc[:4], TableFeatures.fit(frame))
    assert learned.feature_names == ("value", "code=x")
    assert learned.transform(frame)[:, 1].tolist() == [0] * 6


def test_training_rows_that_vary_in_nothing_are_refused() -> None:
    frame = pd.DataFrame({"a": [1.0, 1.0, 2.0, 3.0], "b": ["u", "u", "v", "w"]})
    with pytest.raises(InputError, match="every column is constant"):
        TableFeatures.fit(frame.iloc[:2], TableFeatures.fit(frame))


def test_a_category_of_missing_values_that_no_training_row_has_is_zero() -> None:
    frame = pd.DataFrame({"c": ["a", "b"] * 10 + [None] * 5, "x": np.arange(25.0)})
    learned = TableFeatures.fit(frame.iloc[:20], TableFeatures.fit(frame))
    assert learned.feature_names == ("x", "c=a", "c=b", "c=(missing)")
    assert learned.transform(frame.iloc[24:])[0, 1:].tolist() == [0, 0, 0]


def test_a_column_of_one_category_in_the_training_rows_is_zero() -> None:
    frame = pd.DataFrame({"season": ["summer"] * 20 + ["winter"] * 10, "x": np.arange(30.0)})
    learned = TableFeatures.fit(frame.iloc[:20], TableFeatures.fit(frame))
    assert learned.feature_names == ("x", "season=summer", "season=winter")
    assert not learned.transform(frame)[:, 1:].any()
