"""Metrics of regression, for many networks at once.

Shape: targets (members or 1, rows, …), outputs (members, rows, …), one value for each row → (members,).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from goodfit.types import Array


def r2(targets: torch.Tensor, outputs: torch.Tensor) -> Array:
    """1 − Σ (y − f)² / Σ (y − mean y)²; NaN for a single row."""
    y, errors = _numbers(targets), _errors(targets, outputs)
    if y.shape[1] < 2:
        return np.full(len(errors), np.nan)
    rest = (errors**2).sum(1)
    spread = ((y - y.mean(1, keepdims=True)) ** 2).sum(1)
    # Constant targets: 1 if all are predicted exactly, else 0, as in scikit-learn.
    score: Array = np.where(spread == 0, rest == 0, 1 - rest / spread)
    return score


def rmse(targets: torch.Tensor, outputs: torch.Tensor) -> Array:
    """√(mean of (y − f)²)."""
    root: Array = np.sqrt((_errors(targets, outputs) ** 2).mean(1))
    return root


def mae(targets: torch.Tensor, outputs: torch.Tensor) -> Array:
    """Mean of |y − f|."""
    mean: Array = np.abs(_errors(targets, outputs)).mean(1)
    return mean


def _errors(targets: torch.Tensor, outputs: torch.Tensor) -> Array:
    """y − f, (members, rows)."""
    errors: Array = _numbers(targets) - _numbers(outputs)
    return errors


def _numbers(values: torch.Tensor) -> Array:
    """(members, rows, …) → (members, rows) in float64; contiguous, so that the order of summation is fixed."""
    numbers: Array = values.flatten(1).cpu().double().contiguous().numpy()
    return numbers


VALUE_METRICS: dict[str, Callable[[torch.Tensor, torch.Tensor], Array]] = {"r2": r2, "rmse": rmse, "mae": mae}
