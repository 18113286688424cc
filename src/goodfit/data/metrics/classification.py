"""Scores of class predictions, of many networks at once.

Shape of each: targets (members or 1, rows) int64, and either the classes named (members, rows) with how many classes
there are, or logits (members, rows, classes or 1) → (members,).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from goodfit.data.metrics.logits import all_logits, log_odds
from goodfit.types import Array


def accuracy(y: Array, named: Array, classes: int) -> Array:
    """The share of rows whose class is named."""
    right: Array = (named == y).mean(1)
    return right


def balanced_accuracy(y: Array, named: Array, classes: int) -> Array:
    """The mean, over the classes that occur, of the share of their rows that are named."""
    rows, _, right = _hits(y, named, classes)
    return _mean(right / rows)


def f1_macro(y: Array, named: Array, classes: int) -> Array:
    """The mean of 2 · right / (rows + named) over the classes that occur or are named; of masks, the Dice score."""
    rows, found, right = _hits(y, named, classes)
    return _mean(2 * right / (rows + found))


def iou(y: Array, named: Array, classes: int) -> Array:
    """The mean of right / (rows + named − right), intersection over union, over the classes that occur or are named."""
    rows, found, right = _hits(y, named, classes)
    return _mean(right / (rows + found - right))


def roc_auc(y: torch.Tensor, logits: torch.Tensor) -> Array:
    """The area under the ROC curve; of several classes, the mean over those that occur, each against the rest."""
    odds, target = log_odds(logits), y.numpy()
    if odds.shape[-1] == 2:
        return _area(target == 1, odds[..., 1])
    return _mean(np.stack([_area(target == c, odds[..., c]) for c in range(odds.shape[-1])], 1))


def log_loss(y: torch.Tensor, logits: torch.Tensor) -> Array:
    """The mean of −log p of the rows' own classes, p at least ε."""
    log_p = all_logits(logits).log_softmax(-1)
    own = log_p.gather(-1, y.expand(len(log_p), -1)[..., None])[..., 0]
    losses: Array = -own.clamp(min=math.log(np.finfo(np.float64).eps)).numpy()
    mean: Array = losses.mean(1)
    return mean


def _count(cells: Array, classes: int) -> Array:
    """How often each member has each class: (members, rows) → (members, classes)."""
    members = len(cells)
    own = cells + classes * np.arange(members)[:, None]
    return np.bincount(own.reshape(-1), minlength=members * classes).reshape(members, classes)


def _hits(y: Array, named: Array, classes: int) -> tuple[Array, Array, Array]:
    """How many rows are of each class, are named as it, and both: each (members, classes), the first perhaps (1, …)."""
    # A wrong row counts for a class beyond the last.
    right = _count(np.where(named == y, named, classes), classes + 1)[:, :classes]
    return _count(y, classes), _count(named, classes), right


def _mean(values: Array) -> Array:
    """The mean over the classes with a value, NaN (0 / 0) where there is none: (members, classes) → (members,)."""
    there = ~np.isnan(values)
    mean: Array = np.where(there, values, 0.0).sum(1) / there.sum(1)
    return mean


def _area(positive: Array, score: Array) -> Array:
    """The share of pairs of a positive and a negative row that the score puts in order; ties count half.

    NaN where all rows, or none, are positive.

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
    # Twice the pairs, in whole numbers: the ranks from 0 of the positives (equal scores share the mean of first and
    # last), less what they sum to where every positive is below every negative.
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
