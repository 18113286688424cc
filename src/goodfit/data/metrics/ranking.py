"""Metrics of the order of the rows by the probability of a class, for many networks at once.

Shape: targets (members or 1, rows) int64, logits (members, rows, classes or 1) → (members,), or (members, rows)
without each row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from goodfit.data.metrics.averages import ALL_ROWS, Average
from goodfit.data.metrics.logits import log_odds
from goodfit.types import Array


def roc_auc(y: torch.Tensor, logits: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """The area under the ROC curve; for several classes, the mean over those that occur, each against the rest."""
    return _over_classes(_areas_without_each if average.without_each else _area, y, logits)


def average_precision(y: torch.Tensor, logits: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """The mean over the rows of a class of the precision at their score; several classes as in `roc_auc`.

    The precision at a score is the share of the class among the rows with this score or a higher one.
    """
    return _over_classes(_precisions_without_each if average.without_each else _precision, y, logits)


@dataclass(frozen=True)
class _Ranking:
    """Rows in ascending order of their score: (members, rows).

    Attributes:
        order: the index of the row at each position.
        positive: whether the row is of the class.
        first: the first position with the same score.
        last: the last position with the same score.
    """

    order: Array
    positive: Array
    first: Array
    last: Array

    @classmethod
    def of(cls, positive: Array, score: Array) -> _Ranking:
        """Shape: (members or 1, rows), (members, rows)."""
        order = score.argsort(1)
        score = np.take_along_axis(score, order, 1)
        positive = np.take_along_axis(np.broadcast_to(positive, score.shape), order, 1)
        at, step = np.arange(score.shape[1]), score[:, 1:] != score[:, :-1]
        edge = np.ones((len(score), 1), dtype=bool)
        first = np.maximum.accumulate(np.where(np.hstack([edge, step]), at, 0), 1)
        last = np.minimum.accumulate(np.where(np.hstack([step, edge]), at, at[-1])[:, ::-1], 1)[:, ::-1]
        return cls(order, positive, first, last)

    @property
    def positives(self) -> Array:
        """The number of rows of the class: (members, 1)."""
        number: Array = self.positive.sum(1, keepdims=True)
        return number

    def below(self, values: Array) -> Array:
        """The sum of the values at positions with a lower score."""
        return np.take_along_axis(_running_sums(values), self.first, 1)

    def above(self, values: Array) -> Array:
        """The sum of the values at positions with a higher score."""
        return np.take_along_axis(_running_sums(values[:, ::-1])[:, ::-1], self.last + 1, 1)

    def at_least(self) -> tuple[Array, Array]:
        """The numbers of rows of the class, and of all rows, with the same or a higher score."""
        return self.positives - self.below(self.positive), self.order.shape[1] - self.first

    def to_rows(self, values: Array) -> Array:
        """Values by position → by row."""
        rows = np.empty_like(values)
        np.put_along_axis(rows, self.order, values, 1)
        return rows


def _running_sums(values: Array) -> Array:
    """The sum of the values before each position, and of all: (members, rows) → (members, rows + 1)."""
    return np.hstack([np.zeros((len(values), 1), dtype=values.dtype), values]).cumsum(1)


def _area(positive: Array, score: Array) -> Array:
    """The share of pairs of a positive and a negative row that the score orders correctly; ties count half.

    NaN if all rows or none are positive.

    Shape: (members or 1, rows), (members, rows) → (members,).
    """
    ranking = _Ranking.of(positive, score)
    p = ranking.positives[:, 0]
    # Twice the number of pairs, as integers: the sum of the positives' ranks from 0 (equal scores have the mean of
    # the first and the last rank), minus the sum if every positive were below every negative.
    doubled = np.where(ranking.positive, ranking.first + ranking.last, 0).sum(1) - p * (p - 1)
    area: Array = doubled / (2 * p * (score.shape[1] - p))
    return area


def _areas_without_each(positive: Array, score: Array) -> Array:
    """`_area` without each row: its pairs are subtracted."""
    ranking = _Ranking.of(positive, score)
    p, n = ranking.positives, score.shape[1] - ranking.positives
    positive = ranking.positive
    pairs_of_positive = ranking.below(~positive) + n - ranking.above(~positive)
    pairs_of_negative = ranking.above(positive) + p - ranking.below(positive)
    doubled = np.where(positive, pairs_of_positive, pairs_of_negative)
    rest = np.where(positive, doubled, 0).sum(1, keepdims=True) - doubled
    return ranking.to_rows(rest / (2 * (p - positive) * (n - ~positive)))


def _precision(positive: Array, score: Array) -> Array:
    """The mean precision at the scores of the positive rows; NaN if all rows or none are positive.

    Shape: (members or 1, rows), (members, rows) → (members,).
    """
    ranking = _Ranking.of(positive, score)
    of_class, of_all = ranking.at_least()
    p = ranking.positives[:, 0]
    mean = np.where(ranking.positive, of_class / of_all, 0.0).sum(1) / p
    return np.where(p < score.shape[1], mean, np.nan)


def _precisions_without_each(positive: Array, score: Array) -> Array:
    """`_precision` without each row, which is not counted in the precision at its score and at lower ones."""
    ranking = _Ranking.of(positive, score)
    positive, p = ranking.positive, ranking.positives
    of_class, of_all = ranking.at_least()
    others = np.maximum(of_all - 1, 1)
    higher = ranking.above(np.where(positive, of_class / of_all, 0.0))
    tied = p - ranking.below(positive) - ranking.above(positive)
    same = (tied - positive) * (of_class - positive) / others
    lower = [ranking.below(np.where(positive, (of_class - out) / others, 0.0)) for out in (0, 1)]
    mean = (higher + same + np.where(positive, lower[1], lower[0])) / (p - positive)
    return ranking.to_rows(np.where(p - positive < score.shape[1] - 1, mean, np.nan))


def _over_classes(function: Callable[[Array, Array], Array], y: torch.Tensor, logits: torch.Tensor) -> Array:
    """The mean over the classes with a score; of two classes, the score of the second."""
    odds, target = log_odds(logits), y.numpy()
    if odds.shape[-1] == 2:
        return function(target == 1, odds[..., 1])
    total, number = np.zeros(1), np.zeros(1)
    for k in range(odds.shape[-1]):
        score = function(target == k, odds[..., k])
        defined = ~np.isnan(score)
        total, number = total + np.where(defined, score, 0.0), number + defined
    mean: Array = total / number
    return mean
