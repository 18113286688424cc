"""Paired differences over seeds, with honest intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with a 95 % interval; the interval is not finite for fewer than two seeds."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.n > 1 and (self.low > 0 or self.high < 0)

    def within(self, low: float, high: float) -> Estimate:
        """The same with its interval cut to where the score can be at all."""
        return Estimate(self.mean, max(low, self.low), min(high, self.high), self.n)


def corrected_interval(values: Sequence[float], test_to_train: float, rows: int = 0) -> Estimate:
    """Mean and 95 % interval of scores (or paired differences) over resampled splits.

    The variance is that of Nadeau and Bengio, s² (1/J + n_test/n_train), with J − 1 degrees of freedom: training
    parts of
    different seeds share most of their rows, and an interval that took them for independent would be too narrow. A
    score
    on `rows` rows moves in steps of 1/rows; the variance is never taken to be below that of such rounding (1/6
    rows²), so that scores which agree by chance do not look exact.

    >>> e = corrected_interval([0.01, 0.02, 0.03], test_to_train=0.25)
    >>> round(e.mean, 3), round(e.low, 4), round(e.high, 4)
    (0.02, -0.0129, 0.0529)

    Reference: C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52, 2003,
    https://doi.org/10.1023/A:1024068626366
    """
    kept = np.array([v for v in values if math.isfinite(v)], dtype=float)
    n = len(kept)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(kept.mean())
    if n == 1:
        return Estimate(mean, -math.inf, math.inf, 1)
    rounding = 1 / (6 * rows**2) if rows else 0.0
    error = math.sqrt(max(float(kept.var(ddof=1)), rounding) * (1 / n + test_to_train))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * error
    return Estimate(mean, mean - half, mean + half, n)


def paired(ours: dict[int, float], plain: dict[int, float]) -> list[float]:
    """Differences of scores by seed, for the seeds that both have.

    >>> paired({0: 0.5, 1: 0.75}, {0: 0.25, 1: 0.25, 2: 0.9})
    [0.25, 0.5]
    """
    # Rounded, because scores of equal counts of right rows may differ in their last bit.
    return [round(ours[seed] - plain[seed], 12) for seed in sorted(ours) if seed in plain]
