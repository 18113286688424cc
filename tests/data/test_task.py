import json

import numpy as np
import pandas as pd
import pytest

from goodfit.data.task import TaskSpec, check_task, encode_targets, encode_test_targets, infer_task, target_series
from goodfit.errors import InputError


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 5, "classification"),
        ([True, False] * 5, "classification"),
        (pd.Categorical([3, 5] * 5), "classification"),
        ([0, 1] * 3, "classification"),
        ([-1, 1] * 3, "classification"),
        ([0.0, 1.0, 2.0] * 10, "classification"),
        ([1, 3, 7] * 50, "classification"),
        ([1, 3, 7] * 5, "regression"),
        (list(range(10)), "regression"),
        (list(range(10)) * 5, "classification"),
        (list(range(21)) * 100, "regression"),
        ([0.5, 1.0] * 100, "regression"),
        (["1.5", "2.25", "7"], "regression"),
        (["0", "1"] * 4, "classification"),
    ],
)
def test_inferred_tasks(values: object, task: str) -> None:
    assert infer_task(pd.Series(values)) == task


def test_classes_are_sorted_as_numbers_or_as_text() -> None:
    assert encode_targets(pd.Series([10, 2, 10, 2]), "y").classes == ("2", "10")
    assert encode_targets(pd.Series([1.0, 0.0, 1.0, 0.0]), "y").classes == ("0", "1")
    learned = encode_targets(pd.Series(["b", "a", "b", "a"]), "y")
    assert learned.classes == ("a", "b")
    assert learned.y.tolist() == [1, 0, 1, 0]
    assert learned.y.dtype == np.int64


def test_task_can_be_chosen() -> None:
    assert encode_targets(pd.Series([0, 1, 1, 0]), "y", "regression").y.tolist() == [0, 1, 1, 0]
    assert len(encode_targets(pd.Series(list(range(30)) * 2), "y", "classification").classes) == 30
    with pytest.raises(InputError, match="Did you mean 'regression'"):
        check_task("regresion")
    with pytest.raises(InputError, match="needs numbers, but target 'y' holds 'a' in row 1; fix or drop"):
        encode_targets(pd.Series(["1", "a", "b"]), "y", "regression")


def test_the_test_part_has_the_classes_of_training() -> None:
    learned = encode_targets(pd.Series(["a", "b", "c"] * 2), "y")
    assert encode_test_targets(pd.Series(["c", "a"]), "y", learned).tolist() == [2, 0]
    with pytest.raises(InputError, match="'z' is in the test part"):
        encode_test_targets(pd.Series(["c", "z"]), "y", learned)


def test_column_vectors_are_flattened_and_one_hot_refused() -> None:
    assert target_series(np.zeros((3, 1)), "y").shape == (3,)
    with pytest.raises(InputError, match="argmax"):
        target_series(np.eye(3), "y")


def test_spec_is_json() -> None:
    spec = TaskSpec("classification", "y", ("a", "b"), (28, 28), 2, "digits")
    assert TaskSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    with pytest.raises(InputError, match="'classes', 'name' missing"):
        TaskSpec.from_dict({k: v for k, v in spec.to_dict().items() if k not in ("classes", "name")})
