"""Metrics of classification, for many networks at once.

Shape: targets (members or 1, rows) int64, and either predicted classes (members, rows) and the number of classes, or
logits (members, rows, classes or 1) → (members,).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from goodfit.data.metrics.logits import all_logits, log_odds
from goodfit.types import Array


def accuracy(y: Array, predicted: Array, classes: int) -> Array:
    """The share of rows whose class is predicted."""
    share: Array = (predicted == y).mean(1)
    return share


def balanced_accuracy(y: Array, predicted: Array, classes: int) -> Array:
    """The mean recall of the classes that occur."""
    rows, _, correct = _counts(y, predicted, classes)
    return _mean(correct / rows)


def f1_macro(y: Array, predicted: Array, classes: int) -> Array:
    """The mean of 2 · correct / (rows + predicted) over the classes that occur or are predicted; for masks, Dice."""
    rows, total, correct = _counts(y, predicted, classes)
    return _mean(2 * correct / (rows + total))


def iou(y: Array, predicted: Array, classes: int) -> Array:
    """Intersection over union: the mean of correct / (rows + predicted − correct) over classes as in `f1_macro`."""
    rows, total, correct = _counts(y, predicted, classes)
    return _mean(correct / (rows + total - correct))


def roc_auc(y: torch.Tensor, logits: torch.Tensor) -> Array:
    """The area under the ROC curve; for several classes, the mean over those that occur, each against the rest."""
    odds, target = log_odds(logits), y.numpy()
    if odds.shape[-1] == 2:
        return _area(target == 1, odds[..., 1])
    return _mean(np.stack([_area(target == c, odds[..., c]) for c in range(odds.shape[-1])], 1))


def log_loss(y: torch.Tensor, logits: torch.Tensor) -> Array:
    """The mean of −log p, p being the probability of the row's class, at least ε."""
    log_p = all_logits(logits).log_softmax(-1)
    log_likelihood = log_p.gather(-1, y.expand(len(log_p), -1)[..., None])[..., 0]
    losses: Array = -log_likelihood.clamp(min=math.log(np.finfo(np.float64).eps)).numpy()
    mean: Array = losses.mean(1)
    return mean


def _count(rows: Array, classes: int) -> Array:
    """The number of rows of each class for each member: (members, rows) → (members, classes)."""
    members = len(rows)
    codes = rows + classes * np.arange(members)[:, None]
    return np.bincount(codes.reshape(-1), minlength=members * classes).reshape(members, classes)


def _counts(y: Array, predicted: Array, classes: int) -> tuple[Array, Array, Array]:
    """Per class, the numbers of its rows, of predictions and of correct ones: (members or 1, classes)."""
    # A wrong prediction counts for an extra class after the last one.
    correct = _count(np.where(predicted == y, predicted, classes), classes + 1)[:, :classes]
    return _count(y, classes), _count(predicted, classes), correct


def _mean(values: Array) -> Array:
    """The mean over the classes with a value; NaN (0 / 0) if there is none: (members, classes) → (members,)."""
    defined = ~np.isnan(values)
    mean: Array = np.where(defined, values, 0.0).sum(1) / defined.sum(1)
    return mean


def _area(positive: Array, score: Array) -> Array:
    """The share of pairs of a positive and a negative row that the score orders correctly; ties count half.

    NaN if all rows or none are positive.

    Shape: (members or 1, rows), (members, rows) → (members,).
    """
    order = score.argsort(1)
    score = np.take_along_axis(score, order, 1)
    positive = np.take_along_axis(np.broadcast_to(positive, score.shape), order, 1)
    at, step = np.arange(score.shape[1]), score[:, 1:] != score[:, :-1]
    edge = np.ones((len(score), 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, step]), at, 0), 1)
    last = np.minimum.accumulate(np.where(np.hstack([step, edge]), at, at[-1])[:, ::-1], 1)[:, ::-1]
    p = positive.sum(1)
    # Twice the number of pairs, as integers: the sum of the positives' ranks from 0 (equal scores have the mean of
    # the first and the last rank), minus the sum if every positive were below every negative.
    doubled = np.where(positive, first + last, 0).sum(1) - p * (p - 1)
    area: Array = doubled / (2 * p * (score.shape[1] - p))
    return area


LABEL_METRICS: dict[str, Callable[[Array, Array, int], Array]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1_macro": f1_macro,
    "iou": iou,
}
SCORE_METRICS: dict[str, Callable[[torch.Tensor, torch.Tensor], Array]] = {"roc_auc": roc_auc, "log_loss": log_loss}
