"""Scores of the raw outputs of many networks, by the name of the metric."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import torch

from goodfit.data.metrics.averages import ALL_ROWS, Average
from goodfit.data.metrics.classification import LABEL_METRICS, score_labels
from goodfit.data.metrics.logits import predicted_classes
from goodfit.data.metrics.probabilistic import brier_score, calibration_error, log_loss
from goodfit.data.metrics.ranking import average_precision, roc_auc
from goodfit.data.metrics.regression import mae, pinball, r2, rmse
from goodfit.errors import InputError
from goodfit.types import Array

Needs: TypeAlias = Literal["labels", "scores", "values"]
Function: TypeAlias = Callable[[torch.Tensor, torch.Tensor, Average], Array]

FUNCTIONS: dict[str, Function] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier_score": brier_score,
    "calibration_error": calibration_error,
    "r2": r2,
    "rmse": rmse,
    "mae": mae,
}
PINBALL = "pinball_"


def scores(name: str, needs: Needs, outputs: torch.Tensor, targets: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """The scores of the members' raw outputs (members, rows, …); targets (members, rows, …) or (1, rows, …).

    Raises:
        InputError: outputs and targets do not fit each other, or targets are not finite.
    """
    targets = targets.cpu()
    if outputs.ndim == 5 and targets.ndim == 4:
        outputs, targets = outputs.movedim(2, -1).flatten(1, 3), targets.flatten(1)
    _check(name, needs, outputs, targets)
    finite = torch.isfinite(outputs.flatten(1).abs().amax(1)).cpu().numpy()
    # NumPy computes the sums over rows, because its order of summation does not depend on the number of members and
    # threads, while torch's does. So a member's score does not depend on the other members.
    with np.errstate(all="ignore"):  # members with infinite outputs are replaced below
        values = _values(name, needs, outputs, targets, average)
    return np.where(finite[:, None] if average.without_each else finite, values, np.nan)


def _values(name: str, needs: Needs, outputs: torch.Tensor, targets: torch.Tensor, average: Average) -> Array:
    if needs == "values":
        return _function(name)(targets, outputs, average)
    logits, y = outputs if outputs.ndim == 3 else outputs[..., None], targets.long()
    if needs == "scores":
        return _function(name)(y, logits, average)
    labels, classes = predicted_classes(logits).cpu().numpy(), max(2, logits.shape[-1])
    return score_labels(LABEL_METRICS[name], y.numpy(), labels, classes, average)


def _function(name: str) -> Function:
    return FUNCTIONS.get(name) or partial(pinball, quantile=pinball_quantile(name))


def _check(name: str, needs: Needs, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    shapes = f"outputs {tuple(outputs.shape[1:])} and targets {tuple(targets.shape[1:])}"
    fit = targets.shape[:2] in (outputs.shape[:2], (1, *outputs.shape[1:2]))
    if outputs.ndim not in (2, 3) or not fit or outputs.numel() == 0:
        raise InputError(f"{name}: {shapes} do not fit; there must be one row of outputs for each target.")
    if needs == "values":
        if math.prod(outputs.shape[2:]) != 1 or math.prod(targets.shape[2:]) != 1:
            raise InputError(f"{name}: there must be one value for each row, got {shapes}.")
        if not bool(torch.isfinite(targets).all()):
            raise InputError(f"{name}: targets must be finite numbers, got NaN or an infinite value.")
        return
    if targets.ndim != 2 or targets.is_floating_point():
        raise InputError(f"{name}: targets must be class indices of shape (rows,), got {shapes}.")
    classes = max(2, math.prod(outputs.shape[2:]))
    low, high = (int(t) for t in targets.aminmax())
    if low < 0 or high >= classes:
        raise InputError(
            f"{name}: targets must be in [0, {classes - 1}] for outputs of {classes} classes, got {low}…{high}."
        )


def pinball_quantile(name: str) -> float:
    """The quantile q of the metric `pinball_q`.

    Raises:
        ValueError: it is the name of another metric.
    """
    prefix, pinball, number = name.partition(PINBALL)
    if prefix or not pinball:
        raise ValueError(f"'{name}' does not begin with {PINBALL}.")
    return float(number)
