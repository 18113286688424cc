"""Counts of the pixels of masks, from which every metric of predicted classes follows."""

from __future__ import annotations

import numpy as np
import torch

from goodfit.data.metrics.classification import class_counts
from goodfit.data.metrics.metric import Metric, count_function
from goodfit.errors import InputError
from goodfit.types import Array

PIXELS_AT_ONCE = 1 << 22
"""About so many pixels are counted at once; it bounds the memory."""


def mask_counts(predicted: torch.Tensor, targets: torch.Tensor, classes: int) -> Array:
    """Count for each image the pixels of each class in its mask, in the predicted mask, and in both at the same place.

    Shape: predicted and targets (rows, …) class indices → (rows, 3, classes) int64.

    >>> mask_counts(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 1]]), 2).tolist()
    [[[2, 1], [1, 2], [1, 1]]]

    Raises:
        InputError: the shapes differ, or an index is not in [0, classes − 1].
    """
    _check_masks(predicted, targets, classes)
    if not len(targets):
        return np.zeros((0, 3, classes), dtype=np.int64)
    rows_at_once = max(1, PIXELS_AT_ONCE // max(1, targets[0].numel()))
    parts = zip(targets.split(rows_at_once), predicted.split(rows_at_once), strict=True)
    return np.concatenate([class_counts(_flat(y), _flat(labels), classes) for y, labels in parts])


def score_of_counts(metric: Metric, counts: Array) -> float:
    """The score of all images together, from their counts; it equals `Metric.of_classes`.

    Shape: counts (rows, 3, classes) from `mask_counts` → one number.

    >>> from goodfit.data.metrics import metric
    >>> score_of_counts(metric("accuracy"), np.array([[[2, 1], [1, 2], [1, 1]]]))
    0.6666666666666666

    Raises:
        InputError: the metric needs scores or values, or the shape of the counts is another one.
    """
    function = count_function(metric)
    _check_counts(metric, counts)
    return float(function(counts.sum(0)))


def leave_one_out_of_counts(metric: Metric, counts: Array) -> Array:
    """The score without each image, from the counts of all.

    Shape: counts (rows, 3, classes) from `mask_counts` → (rows,).

    Raises:
        InputError: the metric needs scores or values, or the shape of the counts is another one.
    """
    function = count_function(metric)
    _check_counts(metric, counts)
    return function(counts.sum(0) - counts)


def _flat(masks: torch.Tensor) -> Array:
    flat: Array = masks.flatten(1).cpu().numpy().astype(np.int64)
    return flat


def _check_masks(predicted: torch.Tensor, targets: torch.Tensor, classes: int) -> None:
    if predicted.shape != targets.shape or targets.ndim < 2:
        raise InputError(
            f"mask_counts: predicted and targets must have the same shape (rows, …), got {tuple(predicted.shape)} and "
            f"{tuple(targets.shape)}."
        )
    for name, masks in (("predicted", predicted), ("targets", targets)):
        low, high = (int(t) for t in masks.aminmax()) if masks.numel() else (0, 0)
        if low < 0 or high >= classes:
            raise InputError(f"mask_counts: {name} must be in [0, {classes - 1}], got {low}…{high}.")


def _check_counts(metric: Metric, counts: Array) -> None:
    if counts.ndim != 3 or counts.shape[1] != 3:
        raise InputError(f"{metric.name}: counts must have the shape (rows, 3, classes), got {counts.shape}.")
