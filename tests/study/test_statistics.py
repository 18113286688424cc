"""Means of scores with jackknife intervals, compared with numbers computed by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from goodfit.study.statistics import Estimate, Score, mean_score, significance, within_unit_range

UNDEFINED = Score(math.nan, np.empty(0), np.empty(0, np.int64))


def mean_of(values: list[float], units: list[int] | None = None) -> Score:
    """The score of a fit that is the mean of its rows' values, with the influence of each row by its definition."""
    x = np.array(values, float)
    n = len(x)
    without = (x.sum() - x) / (n - 1)
    return Score(
        float(x.mean()), (1 - 1 / n) * (x.mean() - without), np.arange(n) if units is None else np.array(units)
    )


def half_width(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def test_of_a_mean_over_rows_it_is_the_classical_standard_error() -> None:
    # mean 2.5, s² = 5/3, standard error √(5/12) = 0.645497; t(0.975, 3) = 3.182446
    e = mean_score([mean_of([1.0, 2.0, 3.0, 4.0])])
    assert (e.mean, e.n) == (2.5, 1)
    assert half_width(e) == pytest.approx(3.182446 * 0.645497, rel=1e-5)
    assert e.low + e.high == pytest.approx(5.0)


def test_opposite_differences_have_the_mean_zero() -> None:
    first, second = mean_of([0.3, 0.0]), mean_of([-0.1, -0.2])  # 0.15 and -0.15000000000000002
    assert first.value + second.value != 0
    assert mean_score([first, second]).mean == 0


def test_folds_add_up_to_all_rows() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=40)
    rows[20:] += 1.0  # the means of the folds differ
    e = mean_score([mean_of(list(rows[:20])), mean_of(list(rows[20:]), list(range(20, 40)))])
    assert e.mean == pytest.approx(rows.mean())
    assert half_width(e) == pytest.approx(stats.t.ppf(0.975, 39) * rows.std(ddof=1) / math.sqrt(40))


def test_a_row_that_several_repeats_score_counts_once() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    once, twice = mean_score([mean_of(values)]), mean_score([mean_of(values), mean_of(values)])
    assert half_width(twice) == pytest.approx(half_width(once))  # nothing new was measured
    assert (once.n, twice.n) == (1, 2)
    # repeats whose errors differ are averaged for each row first: here to 2.5 for all
    assert half_width(mean_score([mean_of(values), mean_of(values[::-1])])) == pytest.approx(0.0, abs=1e-12)


def test_rows_of_a_group_are_one_unit() -> None:
    values = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    e = mean_score([mean_of(values, [7, 7, 3, 3, 5, 5])])
    # the same as one row per group: s² = 1, standard error 1/√3; t(0.975, 2) = 4.302653
    assert half_width(e) == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert half_width(e) > 1.5 * half_width(mean_score([mean_of(values)]))


def test_one_unit_has_no_interval() -> None:
    e = mean_score([mean_of([0.4, 0.6], [0, 0])])
    assert e == Estimate(0.5, -math.inf, math.inf, 1)
    assert not e.known
    assert not e.significant


def test_an_influence_that_is_not_defined_leaves_no_interval() -> None:
    e = mean_score([Score(0.5, np.array([0.1, math.nan]), np.array([0, 1]))])
    assert e == Estimate(0.5, -math.inf, math.inf, 1)


@pytest.mark.parametrize("scores", [[], [UNDEFINED], [UNDEFINED, UNDEFINED]])
def test_without_a_defined_score_there_is_no_estimate(scores: list[Score]) -> None:
    e = mean_score(scores)
    assert e.n == 0
    assert math.isnan(e.mean)
    assert not e.significant


def test_scores_that_are_not_defined_are_left_out() -> None:
    a, b = mean_of([1.0, 2.0]), mean_of([3.0, 5.0], [2, 3])
    assert mean_score([a, UNDEFINED, b]) == mean_score([a, b])
    assert mean_score([a, UNDEFINED, b]).n == 2


def test_differences_are_paired_by_row() -> None:
    plain, recipe = mean_of([0.0, 1.0, 0.0, 1.0]), mean_of([1.0, 2.0, 1.0, 2.0])
    e = mean_score([recipe - plain])
    assert (e.mean, half_width(e)) == (1.0, pytest.approx(0.0, abs=1e-12))  # every row gains the same
    assert half_width(mean_score([recipe])) > 0.5
    for undefined in (recipe - UNDEFINED, UNDEFINED - recipe):
        assert math.isnan(undefined.value)


def test_equal_scores_differ_by_exactly_nothing() -> None:
    units = np.arange(2)
    assert (Score(0.1 + 0.2, np.zeros(2), units) - Score(0.3, np.zeros(2), units)).value == 0.0


def test_the_variance_is_at_least_the_smallest() -> None:
    equal = mean_of([1.0] * 25)
    assert half_width(mean_score([equal])) == 0.0
    e = mean_score([equal], smallest_variance=0.0004)
    assert half_width(e) == pytest.approx(2.063899 * 0.02, rel=1e-5)  # t(0.975, 24) = 2.063899
    spread = mean_of([0.0, 5.0, 10.0])
    assert mean_score([spread], smallest_variance=0.01) == mean_score([spread])


@pytest.mark.parametrize(
    ("low", "high", "n", "expected"),
    [
        (0.1, 0.2, 3, True),
        (-0.2, -0.1, 3, True),
        (-0.1, 0.1, 3, False),
        (0.0, 0.1, 3, False),
        (0.1, 0.2, 1, True),
        (0.1, math.inf, 3, False),
    ],
)
def test_significant_means_that_the_interval_is_known_and_excludes_zero(
    low: float, high: float, n: int, expected: bool
) -> None:
    assert Estimate(0.15, low, high, n).significant is expected


def test_on_the_logit_scale_intervals_stay_within_zero_and_one() -> None:
    # logit(0.8) = 1.386294; half-width 0.1 / (0.8 · 0.2) = 0.625
    e = within_unit_range(Estimate(0.8, 0.7, 0.9, 3), 100)
    assert (e.low, e.high) == (pytest.approx(0.681635, abs=1e-5), pytest.approx(0.881978, abs=1e-5))
    perfect = within_unit_range(Estimate(1.0, 0.9, 1.1, 3), 40)
    assert 0 < perfect.low < 0.9 < perfect.high == 1.0
    unknown = Estimate(0.5, -math.inf, math.inf, 1)
    assert within_unit_range(unknown, 40) == unknown


def test_a_group_in_each_fold_has_an_interval() -> None:
    folds = [mean_of([value] * 4, [number] * 4) for number, value in enumerate((0.0, 1.0, 2.0))]
    # the same as three values: standard error 1/√3; t(0.975, 2) = 4.302653
    assert half_width(mean_score(folds)) == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_without_an_interval_it_is_inconclusive_and_without_a_difference_unknown() -> None:
    assert significance(-math.inf, math.inf, True) == "inconclusive"
    assert significance(None, None, True) == "inconclusive"
    assert significance(0.0, 0.1, True) == "inconclusive"
    assert significance(math.nan, math.nan, True) == "unknown"
