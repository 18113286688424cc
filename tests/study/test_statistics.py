"""The interval of Nadeau and Bengio, compared with numbers computed by hand."""

import math

import pytest

from goodfit.study.statistics import Estimate, corrected_interval, paired


def test_three_values_by_hand() -> None:
    # mean 0.02, s² = 0.0001; s²(1/3 + 1/4) = 5.8333e-5, its root 0.0076376; t(0.975, 2) = 4.302653
    e = corrected_interval([0.01, 0.02, 0.03], test_to_train=0.25)
    assert e.mean == pytest.approx(0.02)
    assert (e.high - e.low) / 2 == pytest.approx(4.302653 * 0.00763763, rel=1e-5)
    assert e.low + e.high == pytest.approx(0.04)
    assert e.n == 3
    assert not e.significant


def test_two_values_by_hand() -> None:
    # s² = 0.005; s²(1/2 + 1/4) = 0.00375, its root 0.0612372; t(0.975, 1) = 12.706205
    e = corrected_interval([0.5, 0.6], test_to_train=0.25)
    assert (e.high - e.low) / 2 == pytest.approx(12.706205 * 0.0612372, rel=1e-5)


def test_without_the_correction_it_is_the_t_interval() -> None:
    # s² = 1, error 1/√3, t = 4.302653
    e = corrected_interval([1.0, 2.0, 3.0], test_to_train=0.0)
    assert e.high - e.mean == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_the_correction_widens_the_interval_even_for_many_seeds() -> None:
    values = [0.01 * (i % 5) for i in range(1000)]
    uncorrected, corrected = corrected_interval(values, 0.0), corrected_interval(values, 0.25)
    assert corrected.high - corrected.low > 10 * (uncorrected.high - uncorrected.low)


def test_the_variance_is_at_least_that_of_rounding() -> None:
    # equal scores on 20 rows: variance 1/2400; error² = (1/3 + 1/4)/2400; half-width 4.302653 · 0.0155902
    e = corrected_interval([0.8, 0.8, 0.8], 0.25, rows=20)
    assert e.mean == pytest.approx(0.8)
    assert e.high - e.mean == pytest.approx(4.302653 * math.sqrt(0.5833333 / 2400), rel=1e-6)
    spread = [0.7, 0.8, 0.9]
    assert corrected_interval(spread, 0.25, rows=20) == corrected_interval(spread, 0.25)
    exact = corrected_interval([0.8, 0.8, 0.8], 0.25)
    assert (exact.low, exact.high) == pytest.approx((0.8, 0.8))


def test_one_seed_has_no_interval() -> None:
    e = corrected_interval([0.5], 0.25, rows=20)
    assert e == Estimate(0.5, -math.inf, math.inf, 1)
    assert not e.significant


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, math.nan]])
def test_without_a_finite_value_there_is_no_estimate(values: list[float]) -> None:
    e = corrected_interval(values, 0.25)
    assert e.n == 0
    assert math.isnan(e.mean)
    assert not e.significant


def test_values_that_are_not_finite_are_left_out() -> None:
    estimate = corrected_interval([0.1, math.nan, 0.2, -math.inf, 0.3], 0.25)
    assert estimate == corrected_interval([0.1, 0.2, 0.3], 0.25)
    assert estimate.n == 3


@pytest.mark.parametrize(
    ("low", "high", "n", "expected"),
    [(0.1, 0.2, 3, True), (-0.2, -0.1, 3, True), (-0.1, 0.1, 3, False), (0.0, 0.1, 3, False), (0.1, 0.2, 1, False)],
)
def test_significant_means_that_the_interval_excludes_zero(low: float, high: float, n: int, expected: bool) -> None:
    assert Estimate((low + high) / 2, low, high, n).significant is expected


def test_within_clips_the_interval_but_not_the_mean() -> None:
    assert Estimate(0.95, 0.8, 1.1, 3).within(0.0, 1.0) == Estimate(0.95, 0.8, 1.0, 3)
    assert Estimate(0.05, -0.1, 0.2, 3).within(0.0, 1.0) == Estimate(0.05, 0.0, 0.2, 3)


def test_scores_are_paired_by_seed() -> None:
    assert paired({2: 0.5, 0: 0.25}, {0: 0.5, 1: 0.9, 2: 0.25}) == [-0.25, 0.25]
    assert paired({0: 0.5}, {}) == []
    assert paired({0: 0.1 + 0.2}, {0: 0.3}) == [0.0]
