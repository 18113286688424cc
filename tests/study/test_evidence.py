"""Evidence: corrected tests, shrinkage and confidence, compared with independent computations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from scipy import stats

from goodfit.recipe import Recipe
from goodfit.study import Study
from goodfit.study.candidates import Candidate
from goodfit.study.evidence import (
    DRAWS,
    LIKELY,
    NOT_SHOWN,
    SURE,
    Comparison,
    Evidence,
    JointTest,
    evidence,
    resampled_p,
    shrink,
)
from goodfit.study.fits import Fit, Predictions
from goodfit.study.statistics import Score

MakeStudy = Callable[..., Study]
RIGHT, WRONG = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def mean_of(values: Sequence[float] | np.ndarray, units: np.ndarray | None = None) -> Score:
    """The mean of values as a score: the influence of a row is how far it is from the mean, divided by their number."""
    x = np.asarray(values, float)
    return Score(float(x.mean()), (x - x.mean()) / len(x), np.arange(len(x)) if units is None else units)


def joint_test(columns: Sequence[np.ndarray]) -> JointTest:
    scores = [mean_of(column) for column in columns]
    return JointTest(scores, [score.standard_error() for score in scores])


def comparison(text: str, gain: float, error: float = 0.01, p: float = 0.001, **changes: object) -> Comparison:
    values = {"p_adjusted": p, "shrunk": gain / 2, "low": gain - 0.02, "high": gain + 0.02, "p_resampled": p,
              "complete": True} | changes  # fmt: skip
    return Comparison(Candidate(text, Recipe.of(text)), gain, error, p=p, **values)  # type: ignore[arg-type]


# ---- the joint test ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [2, 12, 100])
def test_one_comparison_has_the_quantile_and_p_value_of_the_t_test(rows: int) -> None:
    values = np.random.default_rng(rows).normal(0.3, size=rows)
    test = joint_test([values])
    assert test.critical >= stats.t.ppf(0.975, rows - 1) * (1 - 1e-12)
    # the simulated quantile has an error, but never makes the test more liberal
    assert stats.t.sf(test.critical, rows - 1) * 2 > 0.05 - 4 * math.sqrt(0.05 * 0.95 / DRAWS)
    expected = stats.ttest_1samp(values, 0.0).pvalue
    assert test.p(0) == pytest.approx(expected)
    assert test.p_adjusted(0) == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 5, 20])
def test_independent_comparisons_have_the_critical_value_of_sidak(count: int) -> None:
    rows = 3000
    columns = np.linalg.qr(np.random.default_rng(0).normal(size=(rows, count + 1)))[0].T
    ones = np.ones(rows) / math.sqrt(rows)
    centred = [c - (c @ ones) * ones for c in columns[1:]]
    critical = joint_test([c + 0.0 for c in centred]).critical
    # the probability that the largest of them is above the critical value, by Šidák's formula
    level = 1 - (1 - 2 * stats.t.sf(critical, rows - 1)) ** count
    assert level == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / DRAWS))


@pytest.mark.parametrize("count", [2, 20])
def test_identical_comparisons_have_the_critical_value_of_one(count: int) -> None:
    values = np.random.default_rng(3).normal(size=60)
    one, many = joint_test([values]), joint_test([values] * count)
    assert many.critical == pytest.approx(one.critical)
    assert many.critical < 1.1 * stats.t.ppf(0.975, 59)


def test_recipes_that_behave_alike_cost_less_than_independent_ones() -> None:
    draw = np.random.default_rng(1)
    common = draw.normal(size=200)
    alike = joint_test([common + 0.3 * draw.normal(size=200) for _ in range(8)]).critical
    apart = joint_test([draw.normal(size=200) for _ in range(8)]).critical
    assert stats.t.ppf(0.975, 199) < alike < apart - 0.2


@pytest.mark.parametrize("seed", range(4))
def test_adjusted_p_values_are_between_the_raw_one_and_that_of_bonferroni(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = 6
    test = joint_test([draw.normal(0.25 * i, 1.0, size=50) for i in range(count)])
    raw = [test.p(i) for i in range(count)]
    adjusted = [test.p_adjusted(i) for i in range(count)]
    for p, corrected in zip(raw, adjusted, strict=True):
        assert p <= corrected <= min(1.0, count * p) + 1e-12
    order = np.argsort(raw)
    assert [adjusted[i] for i in order] == sorted(adjusted)
    assert max(adjusted[i] / raw[i] for i in range(count) if raw[i] > 0.01) > 1.5


def test_a_gain_is_significant_exactly_beyond_the_critical_value() -> None:
    draw = np.random.default_rng(5)
    columns = [draw.normal(size=80) for _ in range(5)]
    base = joint_test(columns).critical
    for factor, significant in ((0.97, False), (1.03, True)):
        moved = columns[0] - columns[0].mean()
        moved = moved + factor * base * moved.std(ddof=1) / math.sqrt(80)
        assert (joint_test([moved, *columns[1:]]).p_adjusted(0) < 0.05) is significant


def test_differences_on_other_rows_are_tested_together() -> None:
    draw = np.random.default_rng(7)
    scores = [mean_of(draw.normal(size=40), np.arange(40)), mean_of(draw.normal(size=30), np.arange(35, 65))]
    test = JointTest(scores, [score.standard_error() for score in scores])
    assert math.isfinite(test.critical)
    assert test.p(1) == pytest.approx(2 * stats.t.sf(abs(scores[1].value) / scores[1].standard_error(), 29))


def test_comparisons_without_a_value_or_an_error() -> None:
    values = np.random.default_rng(2).normal(1.0, size=30)
    undefined = Score(math.nan, np.empty(0), np.empty(0, np.int64))
    constant, zero = mean_of([0.2] * 30), mean_of([0.0] * 30)
    scores = [mean_of(values), undefined, constant, zero]
    test = JointTest(scores, [scores[0].standard_error(), math.inf, 0.0, 0.0])
    assert test.p_adjusted(0) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)
    assert math.isnan(test.p(1))
    assert math.isnan(test.p_adjusted(1))
    assert (test.p_adjusted(2), test.p_adjusted(3)) == (0.0, 1.0)
    none = JointTest([], [])
    assert none.critical > 0


def test_draws_are_the_same_in_every_call() -> None:
    columns = [np.random.default_rng(i).normal(size=50) for i in range(4)]
    assert joint_test(columns).critical == joint_test(columns).critical


# ---- shrinkage, resampled test ----------------------------------------------------------------------


def test_shrinkage_has_its_closed_form() -> None:
    gains, errors = [0.05, -0.02, 0.01], [0.02, 0.01, 0.03]
    variance = sum(g * g - e * e for g, e in zip(gains, errors, strict=True)) / 3
    expected = [g * variance / (variance + e * e) for g, e in zip(gains, errors, strict=True)]
    assert shrink(gains, errors) == pytest.approx(expected)
    assert shrink([0.1], [0.05]) == pytest.approx([0.1 * (1 - 0.25)])  # g (g² − e²) / g²
    assert shrink([0.3, -0.2], [0.0, 0.0]) == pytest.approx([0.3, -0.2])


def test_gains_that_vary_no_more_than_their_errors_are_shrunken_to_nothing() -> None:
    assert shrink([0.01, -0.01], [0.02, 0.02]) == [0.0, 0.0]
    assert shrink([0.02], [0.02]) == [0.0]
    assert shrink([], []) == []


def test_unknown_gains_and_errors() -> None:
    shrunk = shrink([0.04, math.nan, 0.03], [0.01, math.inf, math.inf])
    assert shrunk[0] == pytest.approx(0.04 * (1 - 1 / 16))
    assert math.isnan(shrunk[1])
    assert shrunk[2] == 0.0


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_corrected_resampled_t_test(share: float) -> None:
    values = [0.03, 0.01, 0.05, -0.01, 0.02]
    t = stats.ttest_1samp(values, 0.0).statistic * math.sqrt((1 / 5) / (1 / 5 + share))
    assert resampled_p(values, share) == pytest.approx(2 * stats.t.sf(t, 4))
    assert resampled_p([*values, math.nan], share) == pytest.approx(resampled_p(values, share))


def test_the_resampled_test_of_few_or_equal_differences() -> None:
    assert math.isnan(resampled_p([0.1], 0.25))
    assert math.isnan(resampled_p([], 0.25))
    assert resampled_p([0.1, 0.1], 0.25) == 0.0
    assert resampled_p([0.0, 0.0], 0.25) == 1.0


# ---- confidence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, SURE),
        ({"p_adjusted": 0.051}, LIKELY),
        ({"p_adjusted": 0.051, "p": 0.051}, NOT_SHOWN),
        ({"p_adjusted": 0.051, "shrunk": 0.0}, NOT_SHOWN),
        ({"shrunk": 0.0}, SURE),
        ({"gain": -0.05}, NOT_SHOWN),
        ({"gain": 0.0}, NOT_SHOWN),
        ({"gain": math.nan}, NOT_SHOWN),
        ({"complete": False}, NOT_SHOWN),
        ({"p": math.nan, "p_adjusted": math.nan}, NOT_SHOWN),
    ],
)
def test_words(changes: dict[str, float], word: str) -> None:
    assert dataclasses.replace(comparison("l2=0.01", 0.05), **changes).confidence == word  # type: ignore[arg-type]


def test_the_best_sure_recipe_is_recommended_before_better_ones_that_are_likely() -> None:
    likely, sure, better = (
        comparison("l2=0.01", 0.09, p_adjusted=0.2), comparison("l1=0.01", 0.03), comparison("ema=1", 0.04),
    )  # fmt: skip
    result = Evidence("accuracy", (likely, better, sure), 2.5)
    assert result.recommended is better
    assert Evidence("accuracy", (likely,), 2.5).recommended is likely
    nothing = Evidence("accuracy", (comparison("l2=0.01", 0.09, p=0.3), comparison("l1=0.01", -0.1)), 2.5)
    assert nothing.recommended is None
    assert nothing.best is nothing.comparisons[0]
    assert Evidence("accuracy", (), 2.5).best is None


def test_ties_go_to_the_recipe_with_fewer_techniques() -> None:
    long, short, other = (
        comparison("l1=0.01, l2=0.01", 0.05), comparison("l2=0.1", 0.05 - 1e-9), comparison("ema=1", 0.05 + 1e-9),
    )  # fmt: skip
    assert Evidence("accuracy", (other, long, short), 2.5).recommended is other  # by label
    assert Evidence("accuracy", (long, short), 2.5).recommended is short


def test_the_smallest_detectable_effect() -> None:
    result = Evidence(
        "accuracy", (comparison("l2=0.01", 0.05, error=0.02), comparison("l1=0.01", 0.01, error=9.0)), 2.5
    )
    assert result.smallest_detectable == pytest.approx((2.5 + stats.norm.ppf(0.8)) * 0.02)
    assert math.isnan(Evidence("accuracy", (), 2.5).smallest_detectable)
    assert math.isnan(Evidence("a", (comparison("l2=0.1", 0.05, error=math.inf),), 2.5).smallest_detectable)


# ---- of a study -------------------------------------------------------------------------------------


def spread_over(k: int, folds: int = 5, base: float = 0.5, rows: int = 20) -> list[float]:
    """Scores of which k rows in total are better than the base."""
    return [base + (k // folds + (fold < k % folds)) / rows for fold in range(folds)]


def t_of(k: int, n: int) -> float:
    """The t statistic if k of n differences are 1 and the others 0."""
    rows = np.r_[np.ones(k), np.zeros(n - k)]
    return float(stats.ttest_1samp(rows, 0.0).statistic)


def test_gains_errors_and_p_values_of_a_study(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, "l2=0.1": spread_over(12), "l1=0.1": spread_over(4), "ema=1": [0.4] * 5})
    result = evidence(study)
    assert [c.candidate.label for c in result.comparisons] == ["l2=0.1", "l1=0.1", "ema=1"]
    for c, k in zip(result.comparisons, (12, 4, -10), strict=True):
        rows = np.r_[np.sign(k) * np.ones(abs(k)), np.zeros(100 - abs(k))]
        assert c.gain == pytest.approx(rows.mean())
        assert c.error == pytest.approx(rows.std(ddof=1) / 10)
        assert c.p == pytest.approx(stats.ttest_1samp(rows, 0.0).pvalue)
        half = result.critical * c.error
        assert (c.low, c.high) == pytest.approx((c.gain - half, c.gain + half))
        assert c.complete
    assert result.critical > stats.t.ppf(0.975, 99) + 0.2  # three comparisons
    folds = [value - 0.5 for value in spread_over(12)]
    assert result.comparisons[0].p_resampled == pytest.approx(resampled_p(folds, 20 / 100))
    assert result.of("l1=0.1") is result.comparisons[1]
    assert result.of("l2") is None
    assert study.evidence() is not None


def test_confidence_of_constructed_differences(make_study: MakeStudy) -> None:
    # of 100 rows, 12, 4 and 2 are better: t = 3.7, 2.03 and 1.42
    assert t_of(12, 100) > 3.5
    assert 1.99 < t_of(4, 100) < 2.1
    assert t_of(2, 100) < 1.5
    alone = {k: evidence(make_study({"": [0.5] * 5, "l2=0.1": spread_over(k)})).comparisons[0] for k in (12, 4, 2)}
    assert [alone[k].confidence for k in (12, 4, 2)] == [SURE, SURE, NOT_SHOWN]
    several = evidence(
        make_study(
            {"": [0.5] * 5, "l2=0.1": spread_over(4), "l1=0.1": spread_over(2), "ema=1": [0.45] * 5, "l2=9": [0.4] * 5}
        )
    )
    words = {c.candidate.label: c.confidence for c in several.comparisons}
    assert words == {"l2=0.1": LIKELY, "l1=0.1": NOT_SHOWN, "ema=1": NOT_SHOWN, "l2=9": NOT_SHOWN}
    assert several.recommended is not None
    assert several.recommended.candidate.label == "l2=0.1"


def test_lower_errors_are_gains(make_study: MakeStudy) -> None:
    study = make_study({"": [3.0, 3.0], "l2=0.1": [2.0, 2.5], "l1=0.1": [3.5, 4.0]}, metric="rmse")
    result = evidence(study)
    gains = {c.candidate.label: c.gain for c in result.comparisons}
    # all rows of both folds together: the root of the mean square
    assert gains["l2=0.1"] == pytest.approx(3.0 - math.sqrt((2.0**2 + 2.5**2) / 2))
    assert gains["l1=0.1"] == pytest.approx(3.0 - math.sqrt((3.5**2 + 4.0**2) / 2))
    assert result.recommended is not None
    assert result.recommended.candidate.label == "l2=0.1"
    assert result.comparisons[-1].confidence == NOT_SHOWN


def test_a_lower_log_loss_is_a_gain(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, "l2=0.1": spread_over(20), "l1=0.1": [0.3] * 5})
    result = evidence(study, "log_loss")
    best, worst = result.comparisons
    # a row that becomes right gains log(1 + e) − log(1 + 1/e) = 1
    assert (best.gain, worst.gain) == pytest.approx((0.2, -0.2))
    assert (best.candidate.label, best.confidence, worst.confidence) == ("l2=0.1", SURE, NOT_SHOWN)
    assert result.metric == "log_loss"


def test_recipes_with_missing_or_failed_fits_are_never_recommended(make_study: MakeStudy) -> None:
    for lacking in ([0.95, 0.95, None, 0.95, 0.95], [0.95, 0.95, 0.95]):
        study = make_study({"": [0.5] * 5, "l2=0.1": spread_over(12), "l1=0.1": lacking})
        result = evidence(study)
        assert [c.candidate.label for c in result.comparisons] == ["l2=0.1", "l1=0.1"]
        assert [c.complete for c in result.comparisons] == [True, False]
        assert result.recommended is result.comparisons[0]
        alone = evidence(make_study({"": [0.5] * 5, "l1=0.1": lacking}))
        assert alone.recommended is None


def test_a_plain_network_that_failed_leaves_no_complete_comparison(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, None, None, None, None], "l2=0.1": [0.9] * 5})
    (only,) = evidence(study).comparisons
    # one of five folds is compared
    assert only.confidence == NOT_SHOWN
    nothing = make_study({"": [None] * 5, "l2=0.1": [0.9] * 5})
    (unknown,) = evidence(nothing).comparisons
    assert math.isnan(unknown.gain)
    assert unknown.confidence == NOT_SHOWN
    assert evidence(nothing).best is None


def test_the_simplest_of_equal_recipes_is_recommended(make_study: MakeStudy) -> None:
    study = make_study(
        {"": [0.5] * 5, "l1=0.1, l2=0.1": [0.9] * 5, "l2=0.2": [0.9] * 5, "dropout=0.5, ema=1": [0.9] * 5}
    )
    assert study.recommended().label == "l2=0.2"


# ---- nothing is better ------------------------------------------------------------------------------


def random_study(study: Study, draw: np.random.Generator, gain: float = 0.0) -> Study:
    """A study whose rows are right by chance; the first recipe gains."""
    fits: list[Fit] = []
    for fit in study.fits:
        chance = 0.7 + (gain if fit.label == "l2=0.1" else 0.0)
        right = torch.from_numpy(draw.random(20) < chance)
        outputs = torch.where(right[:, None], RIGHT, WRONG)
        own = Predictions(fit.predictions["validation"].rows, outputs)
        fits.append(dataclasses.replace(fit, predictions={**fit.predictions, "validation": own}))
    return dataclasses.replace(study, fits=fits)


def test_without_any_effect_a_study_is_seldom_sure(make_study: MakeStudy) -> None:
    recipes = ["", "l2=0.1", "l1=0.1", "ema=1", "dropout=0.5", "mixup=0.4"]
    study = make_study({text: [0.5] * 5 for text in recipes})
    draw, repetitions = np.random.default_rng(11), 200
    words = [{c.confidence for c in evidence(random_study(study, draw)).comparisons} for _ in range(repetitions)]
    sure, some = sum(SURE in own for own in words), sum(bool(own & {SURE, LIKELY}) for own in words)
    assert sure <= stats.binom.ppf(0.999, repetitions, 0.05)
    assert some > 2 * sure  # the correction matters: without it, five recipes win more often
    assert some / repetitions > 0.04


def test_a_large_effect_is_nearly_always_sure(make_study: MakeStudy) -> None:
    study = make_study({text: [0.5] * 5 for text in ("", "l2=0.1", "l1=0.1", "ema=1")})
    draw = np.random.default_rng(12)
    labels = [study_.recommended().label for study_ in (random_study(study, draw, gain=0.28) for _ in range(30))]
    assert labels.count("l2=0.1") >= 27
