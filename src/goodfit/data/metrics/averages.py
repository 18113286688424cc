"""Means over the rows: over all of them, or without each of them in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goodfit.types import Array


@dataclass(frozen=True)
class Average:
    """The mean over the rows; metrics take it as an argument, so that one formula gives both kinds of score.

    Attributes:
        without_each: whether to compute, for each row, the mean over the others. It is the sum of the rows before and
            the rows after, because subtracting a large value from the sum of all would lose the digits of the rest.

    Shape: (members, rows) → (members,), or (members, rows) without each row.

    >>> ALL_ROWS(np.array([[1.0, 2.0, 6.0]])), WITHOUT_EACH_ROW(np.array([[1.0, 2.0, 6.0]]))
    (array([3.]), array([[4. , 3.5, 1.5]]))
    """

    without_each: bool

    def __call__(self, values: Array) -> Array:
        """Compute the mean."""
        if not self.without_each:
            mean: Array = values.mean(1)
            return mean
        edge = np.zeros((len(values), 1))
        before = np.hstack([edge, values[:, :-1]]).cumsum(1)
        after = np.hstack([edge, values[:, :0:-1]]).cumsum(1)[:, ::-1]
        means: Array = (before + after) / self.rows(values)
        return means

    def rows(self, values: Array) -> int:
        """The number of rows that a mean is over."""
        return int(values.shape[1]) - self.without_each


ALL_ROWS = Average(without_each=False)
WITHOUT_EACH_ROW = Average(without_each=True)
