"""Paired differences over seeds with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
BETTER, WORSE, INCONCLUSIVE, UNKNOWN = "better", "worse", "inconclusive", "unknown"


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds with its 95 % interval, which is infinite for fewer than two seeds."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def significant(self) -> bool:
        """Whether the 95 % interval excludes zero."""
        return self.n > 1 and (self.low > 0 or self.high < 0)

    def within(self, low: float, high: float) -> Estimate:
        """Return the estimate with its interval clipped to the range of possible scores."""
        return Estimate(self.mean, max(low, self.low), min(high, self.high), self.n)


def corrected_interval(values: Sequence[float], test_to_train: float, rows: int = 0) -> Estimate:
    """Return the mean and 95 % interval of scores, or of paired differences, over resampled splits.

    The interval uses the corrected variance of Nadeau and Bengio, s² (1/J + n_test/n_train), with J − 1 degrees of
    freedom. The training parts of different seeds share most of their rows, so an interval that treats them as
    independent is too narrow. A score that counts `rows` rows moves in steps of 1/rows, so the variance is at least
    the variance of that rounding, 1/(6 rows²): equal scores on few rows do not look exact.

    Args:
        values: one score per seed; values that are not finite are left out.
        test_to_train: the number of evaluation rows divided by the number of training rows.
        rows: the number of rows that the score counts; 0 for scores that are not counts.

    >>> e = corrected_interval([0.01, 0.02, 0.03], test_to_train=0.25)
    >>> round(e.mean, 3), round(e.low, 4), round(e.high, 4)
    (0.02, -0.0129, 0.0529)

    Reference: C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52, 2003,
    https://doi.org/10.1023/A:1024068626366
    """
    finite = np.array([v for v in values if math.isfinite(v)], dtype=float)
    n = len(finite)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(finite.mean())
    if n == 1:
        return Estimate(mean, -math.inf, math.inf, 1)
    rounding = 1 / (6 * rows**2) if rows else 0.0
    error = math.sqrt(max(float(finite.var(ddof=1)), rounding) * (1 / n + test_to_train))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * error
    return Estimate(mean, mean - half, mean + half, n)


def significance(low: float | None, high: float | None, higher_is_better: bool) -> str:
    """Compare by the 95 % interval of a difference: "better" and "worse" if it excludes 0, else "inconclusive".

    The result is "unknown" if there is no difference, because an end is NaN.

    >>> significance(0.1, 0.3, True), significance(0.1, 0.3, False), significance(-0.1, 0.3, True)
    ('better', 'worse', 'inconclusive')
    """
    if any(end is not None and math.isnan(end) for end in (low, high)):
        return UNKNOWN
    if low is None or high is None or math.isinf(low) or math.isinf(high) or low <= 0 <= high:
        return INCONCLUSIVE
    return BETTER if (low > 0) == higher_is_better else WORSE


def paired(scores: dict[int, float], baseline: dict[int, float]) -> list[float]:
    """Return the differences of scores for the seeds that both dictionaries contain.

    >>> paired({0: 0.5, 1: 0.75}, {0: 0.25, 1: 0.25, 2: 0.9})
    [0.25, 0.5]
    """
    # Rounded: scores with the same number of correct rows can differ in their last bit.
    return [round(scores[seed] - baseline[seed], 12) for seed in sorted(scores) if seed in baseline]
