"""Evidence: how sure it is that recipes are better than the plain network, corrected for the number of recipes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Protocol as Interface

import numpy as np
from scipy import stats

from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.statistics import LEVEL, Floats, Score, mean_influence, resampled_error

SURE, LIKELY, NOT_SHOWN = "sure", "likely", "not shown"
"""How sure a study is that a recipe is better: significant after the correction; significant before it and better also
after shrinkage; neither."""
TIE = 0.1
"""Recipes whose gains differ by less than this share of a standard error are equally good."""
POWER = 0.8
DRAWS, SEED = 4000, 0
"""Simulated differences under no effect, for the correction; the same ones in every call."""


@dataclass(frozen=True)
class Comparison:
    """A recipe compared with the plain network. A positive gain is an improvement, whatever the metric.

    Attributes:
        gain: the mean paired difference; `error` is its standard error over rows.
        shrunk: the gain after shrinkage towards 0 (empirical Bayes over the compared recipes).
        p, p_adjusted: two-sided; the latter is corrected for the number of compared recipes.
        low, high: the interval of the gain that holds for all compared recipes at once, with 95 % probability.
        p_resampled: of the corrected resampled t-test over fits (Nadeau and Bengio), for comparison.
        complete: whether all of its fits and those of the plain network finished.
    """

    candidate: Candidate
    gain: float
    error: float
    shrunk: float
    p: float
    p_adjusted: float
    low: float
    high: float
    p_resampled: float
    complete: bool

    @property
    def confidence(self) -> str:
        """SURE, LIKELY or NOT_SHOWN."""
        alpha = 1 - LEVEL
        if not self.complete or not self.gain > 0:
            return NOT_SHOWN
        if self.p_adjusted < alpha:
            return SURE
        return LIKELY if self.p < alpha and self.shrunk > 0 else NOT_SHOWN


@dataclass(frozen=True, eq=False)
class Evidence:
    """The comparisons of a study on one metric, best gain first; those with missing fits come last.

    Attributes:
        critical: the quantile of the t statistic above which a gain is significant after the correction.
    """

    metric: str
    comparisons: tuple[Comparison, ...]
    critical: float

    @cached_property
    def recommended(self) -> Comparison | None:
        """The best recipe of which the study is sure, or else one that is likely better; None: the plain network.

        Of recipes whose gains differ by less than `TIE` standard errors, the one with the fewest techniques counts.
        """
        for confidence in (SURE, LIKELY):
            own = [c for c in self.comparisons if c.confidence == confidence]
            if own:
                tied = [c for c in own if own[0].gain - c.gain <= TIE * own[0].error]
                return min(tied, key=lambda c: (len(c.candidate.recipe), -c.gain, c.candidate.label))
        return None

    @property
    def best(self) -> Comparison | None:
        """The recommended recipe, or else the one with the largest gain."""
        known = [c for c in self.comparisons if math.isfinite(c.gain)]
        return self.recommended or (known[0] if known else None)

    @property
    def smallest_detectable(self) -> float:
        """The gain that this study would have found significant with a probability of 80 %; NaN if unknown."""
        best = self.best
        if best is None or not math.isfinite(best.error) or not best.error:  # no prediction differs
            return math.nan
        return (self.critical + float(stats.norm.ppf(POWER))) * best.error

    def of(self, label: str) -> Comparison | None:
        """The comparison of a recipe."""
        return next((c for c in self.comparisons if c.candidate.label == label), None)


class ComparedStudy(Interface):
    """What the evidence of a study follows from; see `goodfit.study.result.Study`."""

    @property
    def metric(self) -> str:
        """The metric of the ranking."""
        ...

    @property
    def candidates(self) -> list[Candidate]:
        """The compared recipes."""
        ...

    @property
    def validation_share(self) -> float:
        """Validation rows as a share of the training rows of a fit."""
        ...

    def higher_is_better_in(self, name: str) -> bool:
        """Whether a higher value of a metric is better."""
        ...

    def paired_scores(self, label: str, name: str = "") -> list[Score]:
        """The paired differences from the plain network, with the influences of rows."""
        ...

    def fold_differences(self, label: str, name: str = "") -> list[float]:
        """The difference from the plain network on each fold."""
        ...

    def smallest_variance(self, label: str, name: str = "") -> float:
        """The variance of a recipe's difference from the plain network, at least."""
        ...

    def is_complete(self, label: str) -> bool:
        """Whether all fits of a recipe finished and can be scored."""
        ...


def evidence(study: ComparedStudy, metric: str = "") -> Evidence:
    """Compare all recipes of a study with the plain network on a metric; by default that of the ranking."""
    name = metric or study.metric
    sign = 1.0 if study.higher_is_better_in(name) else -1.0
    others = [c for c in study.candidates if c.label != PLAIN]
    differences = [_scaled(mean_influence(study.paired_scores(c.label, name)), sign) for c in others]
    errors = [
        d.standard_error(study.smallest_variance(c.label, name)) for d, c in zip(differences, others, strict=True)
    ]
    joint = JointTest(differences, errors)
    shrunk = shrink([d.value for d in differences], errors)
    comparisons = []
    for i, candidate in enumerate(others):
        half = joint.critical * errors[i]
        gain = differences[i].value
        gains = [sign * g for g in study.fold_differences(candidate.label, name)]
        comparisons.append(
            Comparison(
                candidate,
                gain,
                errors[i],
                shrunk[i],
                joint.p(i),
                joint.p_adjusted(i),
                gain - half,
                gain + half,
                resampled_p(gains, study.validation_share),
                study.is_complete(candidate.label) and study.is_complete(PLAIN),
            )
        )
    comparisons.sort(key=lambda c: (math.isnan(c.gain), not c.complete, -c.gain, c.candidate.label))
    return Evidence(name, tuple(comparisons), joint.critical)


def _scaled(score: Score, sign: float) -> Score:
    return Score(sign * score.value, sign * score.influence, score.units)


class JointTest:
    """The test of several differences at once: its critical value is exceeded by any of them in 5 % of the cases.

    It draws differences under no effect with the correlations of the given ones (multiplier bootstrap of the influences
    of rows), so that recipes that behave alike cost less than independent ones.

    Reference: J. P. Romano and M. Wolf, Exact and approximate stepdown methods for multiple hypothesis testing, Journal
    of the American Statistical Association 100, 2005, https://doi.org/10.1198/016214504000000539
    """

    def __init__(self, differences: Sequence[Score], errors: Sequence[float]) -> None:
        self._t = [_ratio(d.value, error) for d, error in zip(differences, errors, strict=True)]
        self._freedom = [max(1, len(d.units) - 1) for d in differences]
        usable = [i for i, error in enumerate(errors) if 0 < error < math.inf and _varies(differences[i])]
        self._count = max(1, len(usable))
        self._largest = _largest([differences[i] for i in usable])

    @property
    def critical(self) -> float:
        """The value that the largest absolute t statistic exceeds in 5 % of the draws."""
        alone = float(stats.t.ppf(0.5 + LEVEL / 2, min(self._freedom, default=1)))
        return max(alone, float(np.quantile(self._largest, LEVEL))) if len(self._largest) else alone

    def p(self, i: int) -> float:
        """The two-sided p value of a difference alone."""
        t = self._t[i]
        return math.nan if math.isnan(t) else float(2 * stats.t.sf(abs(t), self._freedom[i]))

    def p_adjusted(self, i: int) -> float:
        """The p value after the correction; never larger than that of Bonferroni's."""
        t = self._t[i]
        if math.isnan(t) or not len(self._largest):
            return self.p(i)
        exceeded = (int((self._largest >= abs(t)).sum()) + 1) / (len(self._largest) + 1)
        return float(max(self.p(i), min(1.0, self._count * self.p(i), exceeded)))


def _varies(difference: Score) -> bool:
    """Whether rows have an influence beyond rounding errors."""
    return float(np.abs(difference.influence).max()) > 1e-12


def _ratio(value: float, error: float) -> float:
    if math.isnan(value) or not math.isfinite(error):
        return math.nan
    return value / error if error else math.copysign(math.inf, value) if value else 0.0


def _largest(differences: Sequence[Score]) -> Floats:
    """The largest absolute t statistic of each draw under no effect."""
    if not differences:
        return np.empty(0)
    units = np.unique(np.concatenate([d.units for d in differences]))
    influences = np.zeros((len(units), len(differences)))
    for i, d in enumerate(differences):
        influences[np.searchsorted(units, d.units), i] = d.influence / np.linalg.norm(d.influence)
    random = np.random.default_rng(SEED)
    largest = np.empty(DRAWS)
    step = max(1, 10_000_000 // len(units))
    for start in range(0, DRAWS, step):
        draws = random.standard_normal((len(largest[start : start + step]), len(units))) @ influences
        largest[start : start + step] = np.abs(draws).max(axis=1)
    freedom = len(units) - 1
    return largest * np.sqrt(freedom / random.chisquare(freedom, DRAWS))


def shrink(gains: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Gains after shrinkage towards 0: the less they vary beyond their errors, the more.

    Each is multiplied by v / (v + error²), where v is the variance of the true gains, estimated by the mean of
    gain² − error². It corrects for the luck of the best of several recipes.

    >>> [round(g, 3) for g in shrink([0.04, 0.01], [0.01, 0.01])]
    [0.035, 0.009]

    Reference: B. Efron and C. Morris, Stein's estimation rule and its competitors, Journal of the American Statistical
    Association 68, 1973, https://doi.org/10.1080/01621459.1973.10481350
    """
    usable = [(g, e) for g, e in zip(gains, errors, strict=True) if math.isfinite(g) and math.isfinite(e)]
    variance = max(0.0, float(np.mean([g**2 - e**2 for g, e in usable]))) if usable else 0.0
    return [g * variance / (variance + e**2) if variance and math.isfinite(e) else 0.0 if g == g else g
            for g, e in zip(gains, errors, strict=True)]  # fmt: skip


def resampled_p(differences: Sequence[float], share: float) -> float:
    """The p value of the corrected resampled t-test; see `goodfit.study.statistics.resampled_error`.

    NaN for fewer than two differences.
    """
    values = [d for d in differences if math.isfinite(d)]
    if len(values) < 2:
        return math.nan
    t = _ratio(fmean(values), resampled_error(values, share))
    return float(2 * stats.t.sf(abs(t), len(values) - 1))
