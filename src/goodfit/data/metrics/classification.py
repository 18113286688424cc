"""Metrics of predicted classes, as functions of the counts per class.

Shape: counts (…, 3, classes) → (…). The three counts of a class are its rows, its predictions and its correct
predictions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from goodfit.data.metrics.averages import ALL_ROWS, Average
from goodfit.types import Array

CountFunction: TypeAlias = Callable[[Array], Array]
ROWS_AT_ONCE = 4096
"""So many rows are left out at once; it bounds the memory."""


def accuracy(counts: Array) -> Array:
    """The share of rows whose class is predicted."""
    rows, _, correct = _each_count(counts)
    return _ratio(correct.sum(-1), rows.sum(-1))


def balanced_accuracy(counts: Array) -> Array:
    """The mean recall of the classes that occur."""
    rows, _, correct = _each_count(counts)
    return _mean(_ratio(correct, rows))


def f1_macro(counts: Array) -> Array:
    """The mean of 2 · correct / (rows + predicted) over the classes that occur or are predicted; for masks, Dice."""
    rows, predicted, correct = _each_count(counts)
    return _mean(_ratio(2 * correct, rows + predicted))


def iou(counts: Array) -> Array:
    """Intersection over union: the mean of correct / (rows + predicted − correct) over classes as in `f1_macro`."""
    rows, predicted, correct = _each_count(counts)
    return _mean(_ratio(correct, rows + predicted - correct))


LABEL_METRICS: dict[str, CountFunction] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1_macro": f1_macro,
    "iou": iou,
}


def class_counts(y: Array, predicted: Array, classes: int) -> Array:
    """Per class, the numbers of its rows, of its predictions and of its correct predictions.

    Shape: targets (members or 1, rows) and predicted classes (members, rows) → (members, 3, classes) int64.
    """
    # A wrong prediction counts for an extra class after the last one.
    correct = _count(np.where(predicted == y, predicted, classes), classes + 1)[:, :classes]
    rows = np.broadcast_to(_count(y, classes), correct.shape)
    return np.stack([rows, _count(predicted, classes), correct], 1)


def score_labels(
    function: CountFunction, y: Array, predicted: Array, classes: int, average: Average = ALL_ROWS
) -> Array:
    """The scores of predicted classes: (members,), or (members, rows) without each row."""
    counts = class_counts(y, predicted, classes)
    if not average.without_each:
        return function(counts)
    parts = zip(_parts(np.broadcast_to(y, predicted.shape)), _parts(predicted), strict=True)
    return np.hstack([function(counts[:, None] - _row_counts(*part, classes)) for part in parts])


def _each_count(counts: Array) -> tuple[Array, Array, Array]:
    return counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]


def _count(rows: Array, classes: int) -> Array:
    """The number of rows of each class for each member: (members, rows) → (members, classes)."""
    members = len(rows)
    codes = rows + classes * np.arange(members)[:, None]
    return np.bincount(codes.reshape(-1), minlength=members * classes).reshape(members, classes)


def _parts(values: Array) -> list[Array]:
    return [values[:, start : start + ROWS_AT_ONCE] for start in range(0, values.shape[1], ROWS_AT_ONCE)]


def _row_counts(y: Array, predicted: Array, classes: int) -> Array:
    """The counts of each row alone: (members, rows) → (members, rows, 3, classes)."""
    counts = class_counts(y.reshape(-1, 1), predicted.reshape(-1, 1), classes)
    return counts.reshape(*predicted.shape, 3, classes)


def _mean(values: Array) -> Array:
    """The mean over the classes with a value; NaN if there is none: (…, classes) → (…)."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))


def _ratio(part: Array, whole: Array) -> Array:
    """Part / whole; NaN where both are 0."""
    with np.errstate(invalid="ignore"):
        ratio: Array = part / whole
    return ratio
