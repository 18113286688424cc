"""What is to be predicted: classes or a number, decided from the target's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import pandas as pd

from goodfit.data.arrays import as_array
from goodfit.data.checks import check_classes, check_target, quoted
from goodfit.data.columns import category_name, column_type, numbers
from goodfit.data.inputs import TABLE, Inputs
from goodfit.errors import InputError, near
from goodfit.types import Array

Task: TypeAlias = Literal["classification", "regression", "segmentation"]
TASKS = ("classification", "regression", "segmentation")

MOST_CLASSES = 20


@dataclass(frozen=True)
class TaskSpec:
    """What a network for this data must look like at both ends.

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
    """Encoded targets: class indices (int64, of masks uint8) with the classes' names, or numbers (float64) and none."""

    y: Array
    task: Task
    classes: tuple[str, ...]


def check_task(task: object) -> Task:
    """The task if it is one.

    Raises:
        InputError: any other word.
    """
    if task not in TASKS:
        raise InputError(f"load: task must be one of {', '.join(TASKS)}, got {task!r}.{near(str(task), TASKS)}")
    return cast(Task, task)


def target_series(values: object, target: str) -> pd.Series[Any]:
    """Targets given in any form as one column.

    Shape: (rows,) or (rows, 1) → (rows,).

    Raises:
        InputError: more than one column of targets.
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
            f"load: y has shape {y.shape}, one target for each row is needed; for one-hot rows give y.argmax(1)."
        )
    return pd.Series(y, name=target)


def encode_targets(y: pd.Series[Any], target: str, task: str | None = None) -> Targets:
    """Decide the task, unless it is given, and encode the targets for it.

    Text, booleans and categoricals are classes. Whole numbers are classes where there are two of them, or at
    most 20 that are rare against the rows (under 5 %) or follow each other (0, 1, 2, …). Every other number
    is a regression target. Classes are sorted: as numbers where all are, else as text.

    Raises:
        InputError: missing or infinite targets, one class only, classes of one row, text where numbers are
            needed.
    """
    check_target(y, target)
    chosen = check_task(task) if task is not None else infer_task(y)
    if chosen == "segmentation":
        raise InputError(f"load: task='segmentation' needs masks, target '{target}' has one value for each row.")
    if chosen == "classification":
        codes, names = _factor(y)
        classes = tuple(names)
        check_classes(codes, classes, target)
        return Targets(codes, chosen, classes)
    if column_type(y) != "number":
        raise InputError(f"load: target '{target}' holds text such as {y.iloc[0]!r}; it cannot be a regression.")
    values = numbers(y)
    check_target(pd.Series(values), target)
    if values.min() == values.max():
        raise InputError(f"load: target '{target}' is {values[0]:g} in every row; there is nothing to learn.")
    return Targets(values, chosen, ())


def encode_test_targets(y: pd.Series[Any], target: str, learned: Targets) -> Array:
    """The targets of an official test part, in the classes of the training part.

    Raises:
        InputError: missing targets, or a class that the training part does not have.
    """
    check_target(y, target)
    if learned.task == "regression":
        return numbers(y)
    codes, names = _factor(y)
    places = pd.Index(learned.classes).get_indexer(pd.Index(names))
    if (places < 0).any():
        unknown = [name for name, place in zip(names, places, strict=True) if place < 0]
        raise InputError(f"load: class {quoted(unknown)} is in the test part but not in the training part.")
    return np.asarray(places[codes], np.int64)


def infer_task(y: pd.Series[Any]) -> Task:
    """Classification or regression, from the values.

    >>> infer_task(pd.Series(["a", "b"])), infer_task(pd.Series([0, 1, 1])), infer_task(pd.Series([0.5, 1.25]))
    ('classification', 'classification', 'regression')
    """
    if pd.api.types.is_bool_dtype(y) or column_type(y) != "number":
        return "classification"
    values = numbers(y)
    distinct = np.unique(values)
    n = len(distinct)
    if n > MOST_CLASSES or not np.isfinite(distinct).all() or (distinct != np.rint(distinct)).any():
        return "regression"
    consecutive = distinct[-1] - distinct[0] == n - 1
    rare = n < 0.05 * len(values)
    return "classification" if n <= 2 or rare or (consecutive and len(values) >= 5 * n) else "regression"


def _factor(y: pd.Series[Any]) -> tuple[Array, list[str]]:
    """Class indices and the sorted names of the classes."""
    codes, known = pd.factorize(y.astype(object))
    names = [category_name(value) for value in known]
    ordered = sorted(set(names), key=_order(names))
    places = {name: i for i, name in enumerate(ordered)}
    return np.asarray([places[name] for name in names], np.int64)[codes], ordered


def _order(names: list[str]) -> Any:
    """Numeric order where every name is a number: 2 before 10."""
    try:
        for name in names:
            float(name)
    except ValueError:
        return str
    return float
