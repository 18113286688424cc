"""Scores of recipes and paired differences, with 95 % intervals from the rows on which they were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

LEVEL = 0.95
BETTER, WORSE, INCONCLUSIVE, UNKNOWN = "better", "worse", "inconclusive", "unknown"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Score:
    """The score of the predictions of one or several fits, and what each row contributes to it.

    Shape: influence (rows,): (1 − 1/n) times the score minus that without the row; units (rows,) the codes of the
    units to which the rows belong.
    """

    value: float
    influence: Floats
    units: npt.NDArray[np.int64]

    def __sub__(self, other: Score) -> Score:
        """The paired difference of two scores on the same rows; not defined if one of them is not."""
        for score in (self, other):
            if not math.isfinite(score.value):
                return score
        # Scores with the same number of correct rows can differ in their last bit.
        same = math.isclose(self.value, other.value, rel_tol=1e-12)
        return Score(0.0 if same else self.value - other.value, self.influence - other.influence, self.units)

    def standard_error(self, smallest_variance: float = 0.0) -> float:
        """The jackknife standard error, if each row is a unit; infinite where it is unknown."""
        n = len(self.units)
        if n < 2 or not np.isfinite(self.influence).all():
            return math.inf
        return math.sqrt(max(float((self.influence**2).sum()) * n / (n - 1), smallest_variance))


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` fits with its 95 % interval; NaN without a fit, infinite where the interval is unknown."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        """Whether the interval is known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def significant(self) -> bool:
        """Whether the 95 % interval is known and excludes zero."""
        return self.known and (self.low > 0 or self.high < 0)

    def to_dict(self) -> dict[str, float]:
        """Plain values."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "fits": self.n}


def mean_score(scores: Sequence[Score], n: int | None = None, smallest_variance: float = 0.0) -> Estimate:
    """The mean of scores with a 95 % jackknife interval over units (rows, groups or blocks of time).

    A row that several scores contain, one per repeat, counts once: its influences on them are averaged first. The
    interval covers the mean score of these networks on new rows. Scores that are not defined (NaN) are left out.

    Args:
        scores: one per repeat, or one per fit.
        n: the number of fits; by default that of the scores.
        smallest_variance: the variance of the mean, at least.

    >>> first = Score(0.5, np.array([0.1, -0.1]), np.array([0, 1]))
    >>> mean_score([first, first]).mean
    0.5

    Reference: B. Efron and C. Stein, The jackknife estimate of variance, Annals of Statistics 9, 1981,
    https://doi.org/10.1214/aos/1176345462
    """
    whole = mean_influence(scores)
    if math.isnan(whole.value):
        return Estimate(math.nan, math.nan, math.nan, 0)
    n = sum(math.isfinite(score.value) for score in scores) if n is None else n
    error = whole.standard_error(smallest_variance)
    if not math.isfinite(error):
        return Estimate(whole.value, -math.inf, math.inf, n)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, len(whole.units) - 1)) * error
    return Estimate(whole.value, whole.value - half, whole.value + half, n)


def resampled_error(values: Sequence[float], share: float) -> float:
    """The standard error of the mean of scores or differences, one per fit, after Nadeau and Bengio.

    Fits on resampled rows share most of their training rows, so their scores are not independent.

    Args:
        values: at least two.
        share: scored rows as a share of the training rows.

    >>> round(resampled_error([0.01, 0.02, 0.03], 0.25), 5)
    0.00764

    Reference: C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52, 2003,
    https://doi.org/10.1023/A:1024068626366
    """
    return math.sqrt(float(np.var(values, ddof=1)) * (1 / len(values) + share))


def mean_influence(scores: Sequence[Score]) -> Score:
    """The mean of scores with the influence of each unit on it; see `mean_score`. NaN if none is defined."""
    defined = [score for score in scores if math.isfinite(score.value)]
    if not defined:
        return Score(math.nan, np.empty(0), np.empty(0, np.int64))
    mean = math.fsum(score.value for score in defined) / len(defined)
    if abs(mean) < 1e-12 * max(abs(score.value) for score in defined):
        mean = 0.0  # opposite differences whose last bits differ
    units, codes = np.unique(np.concatenate([score.units for score in defined]), return_inverse=True)
    totals = np.bincount(codes, np.concatenate([_centred(score, mean) for score in defined]), len(units)) / len(defined)
    return Score(mean, totals, units)


def _centred(score: Score, mean: float) -> Floats:
    """Influences on the mean over scores of different rows: they contain how far the score is from the mean."""
    return score.influence + (score.value - mean) / len(score.influence)


def within_unit_range(estimate: Estimate, rows: int) -> Estimate:
    """The estimate of a score in [0, 1], with an interval that is symmetric on the logit scale.

    Near 0 and 1 an interval that is symmetric around the score covers too seldom, and leaves the range.

    >>> interval = within_unit_range(Estimate(0.95, 0.85, 1.05, 3), 100)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.698, 0.994)
    """
    if not estimate.known:
        return estimate
    edge = 0.5 / (rows + 1)
    p = min(max(estimate.mean, edge), 1 - edge)
    half = (estimate.high - estimate.low) / 2 / (p * (1 - p))
    low, high = (float(special.expit(special.logit(p) + end)) for end in (-half, half))
    return Estimate(estimate.mean, min(low, estimate.mean), max(high, estimate.mean), estimate.n)


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
