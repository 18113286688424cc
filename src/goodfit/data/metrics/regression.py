"""Metrics of regression, for many networks at once.

Shape: targets (members or 1, rows, …), outputs (members, rows, …), one value for each row → (members,), or
(members, rows) without each row.
"""

from __future__ import annotations

import numpy as np
import torch

from goodfit.data.metrics.averages import ALL_ROWS, Average
from goodfit.types import Array


def r2(targets: torch.Tensor, outputs: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """1 − mean of (y − f)² / variance of y; NaN for a single row."""
    y, errors = _numbers(targets), _errors(targets, outputs)
    rest = average(errors**2)
    if average.rows(y) < 2:
        return np.full(rest.shape, np.nan)
    # The distance from a middle target loses no digits, even without an outlier, and is exactly 0 if y is constant.
    distance = y - np.partition(y, (y.shape[1] - 1) // 2, 1)[:, (y.shape[1] - 1) // 2, None]
    variance = average(distance**2) - average(distance) ** 2
    # Constant targets: 1 if all are predicted exactly, else 0, as in scikit-learn.
    score: Array = np.where(variance == 0, rest == 0, 1 - rest / variance)
    return score


def rmse(targets: torch.Tensor, outputs: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """√(mean of (y − f)²)."""
    root: Array = np.sqrt(average(_errors(targets, outputs) ** 2))
    return root


def mae(targets: torch.Tensor, outputs: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """Mean of |y − f|."""
    return average(np.abs(_errors(targets, outputs)))


def pinball(
    targets: torch.Tensor, outputs: torch.Tensor, average: Average = ALL_ROWS, *, quantile: float = 0.5
) -> Array:
    """Mean of quantile · (y − f) where f is below y, else of (1 − quantile) · (f − y); minimal at the quantile of y."""
    errors = _errors(targets, outputs)
    losses: Array = np.maximum(quantile * errors, (quantile - 1) * errors)
    return average(losses)


def _errors(targets: torch.Tensor, outputs: torch.Tensor) -> Array:
    """y − f, (members, rows)."""
    errors: Array = _numbers(targets) - _numbers(outputs)
    return errors


def _numbers(values: torch.Tensor) -> Array:
    """(members, rows, …) → (members, rows) in float64; contiguous, so that the order of summation is fixed."""
    numbers: Array = values.flatten(1).cpu().double().contiguous().numpy()
    return numbers
