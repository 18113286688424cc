"""The score without each row, for the jackknife."""

from __future__ import annotations

import math

import numpy as np
import torch

from goodfit.data.metrics.averages import WITHOUT_EACH_ROW
from goodfit.data.metrics.counts import leave_one_out_of_counts, mask_counts
from goodfit.data.metrics.logits import predicted_classes
from goodfit.data.metrics.metric import Metric, count_function
from goodfit.data.metrics.scoring import scores
from goodfit.types import Array


def leave_one_out(metric: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> Array:
    """Compute the score without each row, as the metric computes it for the other rows.

    The time is that of sorting the rows, not that of one score per row. An entry is NaN if the score is not defined
    without the row; all are if the outputs are not finite.

    Shape: outputs and targets as for `Metric` → (rows,) float64. With masks, a row is an image.

    >>> from goodfit.data.metrics import metric
    >>> leave_one_out(metric("mae"), torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 1.0, 1.0]))
    array([2. , 1.5, 0.5])

    Raises:
        InputError: outputs and targets do not fit each other, targets are not finite, or the targets are masks and the
            metric needs scores.
    """
    outputs, targets = outputs.detach(), targets.detach()
    if outputs.ndim == 4 and targets.ndim == 3:
        return _of_masks(metric, outputs, targets)
    without_each: Array = scores(metric.name, metric.needs, outputs[None], targets[None], WITHOUT_EACH_ROW)[0]
    return without_each


def _of_masks(metric: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> Array:
    count_function(metric)
    if math.isnan(metric(outputs, targets)):
        return np.full(len(targets), np.nan)
    counts = mask_counts(predicted_classes(outputs.movedim(1, -1)), targets, max(2, outputs.shape[1]))
    return leave_one_out_of_counts(metric, counts)
