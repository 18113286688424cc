"""What the techniques and strengths of the recommended recipe contribute."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import pytest

from goodfit.history import History
from goodfit.study import Study
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.explained import ablation, sweeps
from goodfit.study.fits import Fit
from goodfit.study.search.variants import sweep, without_each
from goodfit.study.stages import ABLATE, SCREEN, SWEEP

MakeStudy = Callable[..., Study]
BEST = "l2=0.1, dropout=0.5"


def with_stage(study: Study, text: str, stage: str, candidate: Candidate, keep: Sequence[int] = range(9)) -> list[Fit]:
    """The fits of a recipe as those of another candidate and stage, on the same folds."""
    repeat = 0 if stage == ABLATE else 100
    return [
        dataclasses.replace(fit, stage=stage, candidate=candidate, repeat=repeat)
        for fit in study.fits_of(text or PLAIN)
        if fit.fold in keep
    ]


def explained(
    make_study: MakeStudy, others: Mapping[str, Sequence[float | None]], metric: str = "accuracy"
) -> tuple[Study, Study]:
    """A study that recommends BEST; and one that also has further recipes with scores."""
    plain, best = ([0.5] * 5, [0.9] * 5) if metric == "accuracy" else ([9.0] * 5, [2.0] * 5)
    whole = make_study({"": plain, BEST: best, **others}, metric=metric)
    definition = dataclasses.replace(whole.definition, candidates=whole.definition.candidates[:2])
    study = dataclasses.replace(whole, definition=definition, fits=[f for f in whole.fits if f.label in (PLAIN, BEST)])
    assert study.recommended().label == BEST
    return study, whole


def variant(study: Study, name: str) -> Candidate:
    return next(c for c in without_each(study.recommended()) if c.label.startswith(f"without {name}:"))


def test_each_technique_contributes_the_paired_difference(make_study: MakeStudy) -> None:
    study, whole = explained(make_study, {"dropout=0.5": [0.8] * 5, "l2=0.1": [0.95] * 5})
    study.ablations += with_stage(whole, "dropout=0.5", ABLATE, variant(study, "l2"))
    study.ablations += with_stage(whole, "l2=0.1", ABLATE, variant(study, "dropout"))
    rows = ablation(study)
    assert [row["technique"] for row in rows] == ["l2", "dropout"]
    assert [row["contribution"] for row in rows] == pytest.approx([0.1, -0.05])
    assert [row["fits"] for row in rows] == [5, 5]
    expected = whole.difference(BEST, baseline="dropout=0.5")
    assert (rows[0]["low"], rows[0]["high"]) == pytest.approx((expected.low, expected.high))
    assert rows[0]["low"] < 0.1 < rows[0]["high"]


def test_contributions_to_an_error_are_positive_where_it_falls(make_study: MakeStudy) -> None:
    study, whole = explained(make_study, {"dropout=0.5": [5.0] * 5}, metric="rmse")
    study.ablations += with_stage(whole, "dropout=0.5", ABLATE, variant(study, "l2"))
    (row,) = ablation(study)
    assert row["contribution"] == pytest.approx(3.0)
    assert row["low"] <= row["contribution"] <= row["high"]


def test_a_compared_recipe_explains_too_and_missing_ones_are_left_out(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, BEST: [0.9] * 5, "dropout=0.5": [0.8] * 5})
    (row,) = ablation(study)
    assert (row["technique"], row["fits"]) == ("l2", 5)
    some, whole = explained(make_study, {"dropout=0.5": [0.8, None, 0.8, 0.8, 0.8]})
    some.ablations += with_stage(whole, "dropout=0.5", ABLATE, variant(some, "l2"), keep=(0, 1, 2))
    (row,) = ablation(some)
    assert (row["fits"], row["contribution"]) == (2, pytest.approx(0.1))


def test_without_a_recommended_recipe_nothing_is_explained(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5] * 5, BEST: [0.5] * 5, "dropout=0.5": [0.4] * 5})
    assert ablation(study) == []
    assert sweeps(study) == {}
    assert sweeps(make_study({"": [0.5] * 5, BEST: [0.9] * 5})) == {}


def test_strengths_have_gains_and_gaps_in_their_order(make_study: MakeStudy) -> None:
    study, whole = explained(make_study, {"l2=1": [0.7] * 5, "l2=2": [0.55] * 5})
    variants = dict(sweep(study.recommended())["l2.l2"])
    assert list(variants) == [0.001, 0.01, 0.033, 0.3, 1.0]
    study.screening += with_stage(whole, "", SCREEN, study.candidates[0])
    study.screening += with_stage(whole, "l2=2", SWEEP, variants[0.3], keep=(0, 1))
    study.screening += with_stage(whole, "l2=1", SWEEP, variants[0.001], keep=(0, 1))
    history = History.from_dict({"epoch": [1], "train_accuracy": [0.75], "stop_accuracy": [0.5]})
    study.screening[:] = [dataclasses.replace(fit, history=history, kept_epoch=1) for fit in study.screening]
    rows = sweeps(study)
    assert list(rows) == ["l2.l2"]
    assert [row["strength"] for row in rows["l2.l2"]] == [0.001, 0.3]
    assert [row["gain"] for row in rows["l2.l2"]] == pytest.approx([0.2, 0.05])
    assert [row["gap"] for row in rows["l2.l2"]] == pytest.approx([0.25, 0.25])
    assert [row["fits"] for row in rows["l2.l2"]] == [2, 2]


def test_failed_strengths_and_folds_without_the_plain_network_are_left_out(make_study: MakeStudy) -> None:
    study, whole = explained(make_study, {"l2=1": [0.7, None, 0.7, 0.7, 0.7]})
    variants = dict(sweep(study.recommended())["l2.l2"])
    study.screening += with_stage(whole, "", SCREEN, study.candidates[0], keep=(1,))
    study.screening += with_stage(whole, "l2=1", SWEEP, variants[0.3], keep=(0, 1))
    assert sweeps(study) == {}
    study.screening += with_stage(whole, "", SCREEN, study.candidates[0], keep=(0,))
    assert [row["fits"] for row in sweeps(study)["l2.l2"]] == [1]
