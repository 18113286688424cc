"""The answer in words: its numbers are those of the evidence."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest

from goodfit.recipe import Recipe
from goodfit.study import Study
from goodfit.study.candidates import Candidate
from goodfit.study.evidence import LIKELY, NOT_SHOWN, SURE
from goodfit.study.sentence import amount, sentence, unit
from goodfit.study.stages import SCREEN

MakeStudy = Callable[..., Study]
NUMBER = r"([+-]?[\d.]+(?:e-?\d+)?)"


def text_of(study: Study) -> str:
    return sentence(study, study.evidence())


def spread_over(k: int, base: float = 0.5) -> list[float]:
    """Scores of five folds of which k of 100 rows in total are better than the base."""
    return [base + (k // 5 + (fold < k % 5)) / 20 for fold in range(5)]


def screened(study: Study, count: int) -> Study:
    """The study after a search of so many trials."""
    fit, plain = study.fits[-1], study.fits[0]
    own = [dataclasses.replace(plain, stage=SCREEN, repeat=100)]
    own += [
        dataclasses.replace(fit, stage=SCREEN, repeat=100, candidate=Candidate(f"l2={i}", Recipe.of(f"l2={i}")))
        for i in range(1, count + 1)
    ]
    return dataclasses.replace(study, screening=own)


@pytest.mark.parametrize(
    ("metric", "value", "signed", "plain", "of"),
    [
        ("accuracy", 0.0312, "+3.1", "3.1", " points"),
        ("roc_auc", -0.0006, "-0.1", "-0.1", " points"),
        ("rmse", -12.34, "-12.3", "-12.3", ""),
        ("log_loss", 0.01234, "+0.0123", "0.0123", ""),
        ("r2", 0.5, "+0.5", "0.5", ""),
    ],
)
def test_amounts(metric: str, value: float, signed: str, plain: str, of: str) -> None:
    assert (amount(metric, value), amount(metric, value, sign=False), unit(metric)) == (signed, plain, of)


def test_a_sure_recipe(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, "l2=0.1": spread_over(12), "l1=0.1": spread_over(1)})
    best = study.evidence().recommended
    assert best is not None
    assert best.confidence == SURE
    matched = re.fullmatch(
        rf"l2=0\.1 is sure to predict better: accuracy {NUMBER} points \[{NUMBER}, {NUMBER}\] over the plain network "
        rf"\(5 fits each, 100 rows, p (< 0\.001|= {NUMBER})\); test {NUMBER} \[{NUMBER}, {NUMBER}\]\. "
        rf"Effects below {NUMBER} points could not be detected reliably\.( The recipe also improves calibration .*)?",
        text_of(study),
    )
    assert matched
    gain, low, high = (float(matched[i]) for i in (1, 2, 3))
    assert (gain, low, high) == pytest.approx((100 * best.gain, 100 * best.low, 100 * best.high), abs=0.051)
    assert low < 12.0 == gain < high
    assert best.p_adjusted < 0.001 or float(matched[5]) == pytest.approx(best.p_adjusted, rel=0.05)
    test = study.difference("l2=0.1", part="test")
    values = [float(matched[i]) for i in (6, 7, 8)]
    assert values == pytest.approx([100 * test.mean, 100 * test.low, 100 * test.high], abs=0.051)
    assert float(matched[9]) == pytest.approx(100 * study.evidence().smallest_detectable, abs=0.051)


def test_a_likely_recipe(make_study: MakeStudy) -> None:
    study = make_study(
        {"": [0.5] * 5, "l2=0.1": spread_over(4), "l1=0.1": spread_over(2), "ema=1": [0.45] * 5, "l2=9": [0.4] * 5}
    )
    best = study.evidence().recommended
    assert best is not None
    assert best.confidence == LIKELY
    text = text_of(study)
    assert text.startswith("l2=0.1 is likely to predict better: accuracy +4.0 points [-")  # the corrected interval
    assert " sure " not in text
    assert f"p = {best.p_adjusted:.2g})" in text


def test_trials_are_counted(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, "l2=0.1": spread_over(12)})
    assert "after" not in text_of(study)
    assert re.search(r"p (<|=) [\d.]+ after 7 trials\)", text_of(screened(study, 7)))
    nothing = make_study({"": [0.5] * 5, "l2=0.1": spread_over(1)})
    assert "(9 trials screened)" in text_of(screened(nothing, 9))
    assert "screened" not in text_of(nothing)


def test_nothing_shown_says_which_gains_are_excluded(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, "l2=0.1": spread_over(2), "l1=0.1": [0.45] * 5})
    evidence = study.evidence()
    assert evidence.recommended is None
    matched = re.match(
        rf"Nothing is shown to predict better than the plain network: gains above {NUMBER} points are excluded for 2 "
        rf"compared recipes\. Effects below {NUMBER} points could not be detected reliably\.",
        text_of(study),
    )
    assert matched
    assert float(matched[1]) == pytest.approx(100 * max(c.high for c in evidence.comparisons), abs=0.051)
    assert float(matched[2]) == pytest.approx(100 * evidence.smallest_detectable, abs=0.051)


def test_all_are_worse(make_study: MakeStudy) -> None:
    study = make_study({"": [0.9] * 5, "l2=0.1": [0.3] * 5, "l1=0.1": [0.2] * 5})
    assert text_of(study).startswith(
        "Nothing is shown to predict better than the plain network: 2 compared recipes predicted worse. "
    )
    assert "excluded" not in text_of(study)


def test_without_fits_or_other_recipes(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, "l2=0.1": [0.9] * 5})
    empty = dataclasses.replace(study, fits=[])
    assert text_of(empty) == "Nothing can be said yet: no recipe was compared with the plain network."
    assert text_of(make_study({"": [0.5] * 5})) == "Nothing is shown to predict better than the plain network."


def test_a_study_whose_recipes_all_failed(make_study: MakeStudy) -> None:
    text = text_of(make_study({"": [0.5] * 5, "l2=0.1": [None] * 5}))
    assert text == "Nothing can be said yet: no recipe was compared with the plain network."


def test_errors_are_shown_as_the_metric_has_them(make_study: MakeStudy) -> None:
    study = make_study({"": [3.0, 5.0], "l2=0.1": [2.0, 2.0], "l1=0.1": [6.0, 6.0]}, metric="rmse")
    best = study.evidence().recommended
    assert best is not None
    matched = re.match(
        rf"l2=0\.1 is sure to predict better: rmse {NUMBER} \[{NUMBER}, {NUMBER}\] over the plain", text_of(study)
    )
    assert matched
    value, low, high = (float(matched[i]) for i in (1, 2, 3))
    assert low <= value <= high < 0  # a lower error is better
    assert value == pytest.approx(-best.gain, rel=0.01)
    assert (low, high) == pytest.approx((-best.high, -best.low), rel=0.01)
    assert "points" not in text_of(study)


def test_excluded_gains_of_an_error_are_positive(make_study: MakeStudy) -> None:
    study = make_study({"": [3.0, 3.0], "l2=0.1": [3.1, 2.8]}, metric="rmse")
    varied = dataclasses.replace(
        study, targets=dataclasses.replace(study.targets, y=study.targets.y + study.targets.units % 7)
    )
    assert varied.evidence().recommended is None
    matched = re.search(rf"gains above {NUMBER} are excluded for 1 compared recipe\.", text_of(varied))
    assert matched
    assert float(matched[1]) == pytest.approx(varied.evidence().comparisons[0].high, rel=0.01)


def test_calibration_is_named_next_to_the_metric(make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study({"": [0.5] * 5, "l2=0.1": spread_over(20)})
    matched = re.search(
        rf"The recipe also improves calibration \(log loss {NUMBER} to {NUMBER}; temperature scaling of the plain "
        rf"network alone {NUMBER}\)\.$",
        text_of(study),
    )
    assert matched
    with monkeypatch.context() as patch:
        patch.setattr(type(study), "recommended", lambda self: self.candidates[0])
        assert " l2=0.1 improves calibration (log loss " in text_of(study)
    expected = (
        study.estimate("plain", "log_loss").mean, study.estimate("l2=0.1", "log_loss").mean,
        study.estimate("plain", "log_loss_calibrated").mean,
    )  # fmt: skip
    assert [float(matched[i]) for i in (1, 2, 3)] == pytest.approx(list(expected), rel=0.01)
    assert float(matched[2]) < float(matched[1])
    assert "calibration" not in text_of(study.with_metric("log_loss"))
    worse = make_study({"": [0.5] * 5, "l2=0.1": [0.3] * 5})
    assert "calibration" not in text_of(worse)
    assert worse.evidence("log_loss").comparisons[0].confidence == NOT_SHOWN


def test_the_sentence_is_one_line(make_study: MakeStudy) -> None:
    for scores in ({"": [0.5] * 5, "l2=0.1": spread_over(12)}, {"": [0.5] * 5, "l2=0.1": [0.5] * 5}):
        text = text_of(make_study(scores))
        assert "\n" not in text
        assert text.endswith(".")
        assert "nan" not in text
        assert "inf" not in text
