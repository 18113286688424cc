"""The task (classification, regression, segmentation), inferred from the targets, and the encoding of targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import pandas as pd

from goodfit.data.arrays import as_array
from goodfit.data.checks import check_classes, check_target, quoted
from goodfit.data.columns import category_name, column_type, first_other, numbers
from goodfit.data.inputs import TABLE, Inputs
from goodfit.errors import InputError, near
from goodfit.types import Array

Task: TypeAlias = Literal["classification", "regression", "segmentation"]
TASKS = ("classification", "regression", "segmentation")

MAX_INTEGER_CLASSES = 20
"""Targets with more distinct whole numbers are a regression."""


@dataclass(frozen=True)
class TaskSpec:
    """The shapes and classes that a network for this data needs: its inputs and outputs.

    Shape: inputs (rows, \\*input_shape), outputs (rows, n_outputs): one logit for each class, one value in
    regression; in segmentation (rows, n_outputs, height, width), one logit for each class of each pixel.

    >>> spec = TaskSpec("classification", "species", ("a", "b"), (4,), 2, "flowers")
    >>> TaskSpec.from_dict(spec.to_dict()) == spec
    True
    """

    task: Task
    target: str
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    n_outputs: int
    name: str
    inputs: Inputs = TABLE

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        lists = {"classes": list(self.classes), "input_shape": list(self.input_shape)}
        return values | lists | {"inputs": self.inputs.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TaskSpec:
        """The inverse of `to_dict`.

        Raises:
            InputError: a field is missing or the task is unknown.
        """
        missing = [f.name for f in fields(cls) if f.name not in values and f.name != "inputs"]
        if missing:
            raise InputError(f"TaskSpec: {quoted(missing)} missing in the stored values; the file is incomplete.")
        return cls(
            task=check_task(values["task"]),
            target=str(values["target"]),
            classes=tuple(str(c) for c in values["classes"]),
            input_shape=tuple(int(n) for n in values["input_shape"]),
            n_outputs=int(values["n_outputs"]),
            name=str(values["name"]),
            inputs=Inputs.from_dict(values["inputs"]) if "inputs" in values else Inputs(),
        )


@dataclass(frozen=True, eq=False)
class Targets:
    """Encoded targets: class indices (int64; uint8 for masks) with the names of the classes, or float64 numbers."""

    y: Array
    task: Task
    classes: tuple[str, ...]


def check_task(task: object) -> Task:
    """Check the name of a task.

    Raises:
        InputError: there is no such task.
    """
    if task not in TASKS:
        raise InputError(f"load: task must be one of {', '.join(TASKS)}, got task={task!r}.{near(str(task), TASKS)}")
    return cast(Task, task)


def target_series(values: object, target: str) -> pd.Series[Any]:
    """Targets in any form (array, tensor, list, Series, DataFrame) as a Series.

    Shape: (rows,) or (rows, 1) → (rows,).

    Raises:
        InputError: there is more than one column of targets.
    """
    if isinstance(values, pd.DataFrame) and len(values.columns) == 1:
        values = values.iloc[:, 0]
    if isinstance(values, pd.Series):
        return values
    y = as_array(values, "load: y")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(
            f"load: y has shape {y.shape}; one target for each row is needed; for one-hot rows use y.argmax(1)."
        )
    return pd.Series(y, name=target)


def encode_targets(y: pd.Series[Any], target: str, task: str | None = None) -> Targets:
    """Encode targets for the task; without `task`, infer it from the targets.

    Text, booleans and categoricals are classes. Whole numbers are classes if at most two of them differ, or if at most
    20 differ and these are either consecutive (0, 1, 2, …) with at least five rows per number, or fewer than 5 % of the
    number of rows. All other numbers are regression targets. Classes are sorted, as numbers if all are numbers, else as
    text.

    Raises:
        InputError: missing or infinite targets, a single class, a class with a single row, or text in a regression.
    """
    check_target(y, target)
    chosen = check_task(task) if task is not None else infer_task(y)
    if chosen == "segmentation":
        raise InputError(f"load: task='segmentation' needs masks, but target '{target}' has one value for each row.")
    if chosen == "classification":
        codes, names = _factor(y)
        classes = tuple(names)
        check_classes(codes, classes, target)
        return Targets(codes, chosen, classes)
    if column_type(y) != "number":
        row, value = first_other(y)
        raise InputError(
            f"load: task='regression' needs numbers, but target '{target}' holds {value!r} in row {row}; fix or drop "
            "such rows, or leave task out."
        )
    values = numbers(y)
    check_target(pd.Series(values), target)
    if values.min() == values.max():
        raise InputError(f"load: target '{target}' is {values[0]:g} in every row; there is nothing to learn.")
    return Targets(values, chosen, ())


def encode_test_targets(y: pd.Series[Any], target: str, learned: Targets) -> Array:
    """The targets of an official test part, encoded with the classes of the training part.

    Raises:
        InputError: missing targets, or a class that is not in the training part.
    """
    check_target(y, target)
    if learned.task == "regression":
        return numbers(y)
    codes, names = _factor(y)
    indices = pd.Index(learned.classes).get_indexer(pd.Index(names))
    if (indices < 0).any():
        unknown = [name for name, index in zip(names, indices, strict=True) if index < 0]
        raise InputError(f"load: class {quoted(unknown)} is in the test part but not in the training part.")
    return np.asarray(indices[codes], np.int64)


def infer_task(y: pd.Series[Any]) -> Task:
    """Infer classification or regression from the targets; see `encode_targets` for the rule.

    >>> infer_task(pd.Series(["a", "b"])), infer_task(pd.Series([0, 1, 1])), infer_task(pd.Series([0.5, 1.25]))
    ('classification', 'classification', 'regression')
    """
    if pd.api.types.is_bool_dtype(y) or column_type(y) != "number":
        return "classification"
    values = numbers(y)
    distinct = np.unique(values)
    n = len(distinct)
    if n > MAX_INTEGER_CLASSES or not np.isfinite(distinct).all() or (distinct != np.rint(distinct)).any():
        return "regression"
    consecutive = distinct[-1] - distinct[0] == n - 1
    rare = n < 0.05 * len(values)
    return "classification" if n <= 2 or rare or (consecutive and len(values) >= 5 * n) else "regression"


def _factor(y: pd.Series[Any]) -> tuple[Array, list[str]]:
    """Class indices and the sorted names of the classes."""
    codes, known = pd.factorize(y.astype(object))
    names = [category_name(value) for value in known]
    ordered = sorted(set(names), key=_order(names))
    indices = {name: i for i, name in enumerate(ordered)}
    return np.asarray([indices[name] for name in names], np.int64)[codes], ordered


def _order(names: list[str]) -> Any:
    """The sort key of class names: numeric if all are numbers (2 before 10), else alphabetic."""
    try:
        for name in names:
            float(name)
    except ValueError:
        return str
    return float
