"""Studies that are interrupted, and fits that fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goodfit.data import Dataset
from goodfit.errors import TrainingError
from goodfit.study import Protocol, Study, load_study, run_study
from goodfit.train.config import Training
from goodfit.train.run import Run

ReplaceFit = Callable[[Callable[[int, Run], Run]], None]
RowsOf = Callable[[Study], list[dict[str, Any]]]
RECIPES = ["l2=1e-2", "dropout=0.25, early_stopping=1"]


def stopping_at(number: int) -> Callable[[int, Run], Run]:
    def act(i: int, run: Run) -> Run:
        if i == number:
            raise KeyboardInterrupt
        return run

    return act


def flagging(number: int) -> Callable[[int, Run], Run]:
    def act(i: int, run: Run) -> Run:
        run.interrupted = i == number
        return run

    return act


def failing(fails: Callable[[int, Run], bool]) -> Callable[[int, Run], Run]:
    def act(i: int, run: Run) -> Run:
        if fails(i, run):
            raise TrainingError("training: it diverged.")
        return run

    return act


@pytest.mark.parametrize("act", [stopping_at(4), flagging(4)], ids=["between fits", "within a fit"])
def test_ctrl_c_keeps_the_finished_fits(
    iris: Dataset, quick: Training, two_folds: Protocol, replace_fit: ReplaceFit, rows_of: RowsOf,
    act: Callable[[int, Run], Run], tmp_path: Path,
) -> None:  # fmt: skip
    whole = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    replace_fit(act)
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "study")
    assert (study.interrupted, study.complete) == (True, False)
    assert rows_of(study) == rows_of(whole)[:4]
    assert study.notes[-1] == "4 of 6 fits are finished"
    assert [r.score.n for r in sorted(study.ranking(), key=lambda r: r.candidate.label != "plain")] == [2, 1, 1]
    assert rows_of(load_study(tmp_path / "study")) == rows_of(study)


def test_ctrl_c_before_the_first_finished_fit(
    iris: Dataset, quick: Training, two_folds: Protocol, replace_fit: ReplaceFit
) -> None:
    replace_fit(stopping_at(0))
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    assert study.interrupted
    assert study.fits == []
    assert study.best() is None


def test_ctrl_c_in_a_population_keeps_no_part_of_a_fit(
    iris: Dataset, quick: Training, two_folds: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(batch: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("goodfit.train.population.vectorized.MemberBatch.end_epoch", interrupt)
    study = run_study(iris, "mlp:8", ["l2=1e-2"], quick, protocol=two_folds, population=True)
    assert (study.interrupted, study.fits) == (True, [])


def test_diverged_fits_are_recorded_and_the_study_continues(iris: Dataset, two_folds: Protocol) -> None:
    study = run_study(iris, "mlp:8", RECIPES, Training(epochs=2, batch_size=8, learning_rate=1e30), protocol=two_folds)
    assert [bool(fit.failure) for fit in study.fits] == [True] * 6
    assert all("epoch 1" in fit.failure and math.isnan(fit.loss) and not fit.predictions for fit in study.fits)
    assert study.fits_frame()["score"].isna().all()
    assert (study.complete, study.interrupted) == (True, False)
    assert study.best() is None
    assert study.test_scores() == {}
    assert study.runs == {}


def test_a_failed_fit_does_not_affect_the_others(
    iris: Dataset, quick: Training, two_folds: Protocol, replace_fit: ReplaceFit, rows_of: RowsOf
) -> None:
    whole = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    replace_fit(failing(lambda i, run: i == 1))
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    assert [fit.failure for fit in study.fits] == ["", "training: it diverged.", "", "", "", ""]
    ranked = {r.candidate.label: r for r in study.ranking()}
    assert ranked["l2=0.01"].failures == 1
    assert ranked["l2=0.01"].score.n == 1
    assert [row for row in rows_of(study) if not row["stopped"].startswith("training")] == [
        row for i, row in enumerate(rows_of(whole)) if i != 1
    ]


def test_the_network_of_the_next_fold_is_kept_where_the_first_failed(
    iris: Dataset, quick: Training, two_folds: Protocol, replace_fit: ReplaceFit
) -> None:
    replace_fit(failing(lambda i, run: i == 1))
    study = run_study(iris, "mlp:8", ["l2=1e-2"], quick, protocol=two_folds, population=False)
    assert set(study.runs) == {("plain", 0, 0), ("l2=0.01", 0, 1)}
    assert study.run_of("l2=0.01").seed == study.fits_of("l2=0.01")[1].seed


def test_failed_fits_are_not_trained_again(
    iris: Dataset, quick: Training, two_folds: Protocol, replace_fit: ReplaceFit, tmp_path: Path
) -> None:
    replace_fit(failing(lambda i, run: i == 1))
    before = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "s")
    replace_fit(stopping_at(0))
    after = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "s")
    assert (after.interrupted, after.complete) == (False, True)
    assert [fit.failure for fit in after.fits] == [fit.failure for fit in before.fits]


def test_if_plain_diverges_the_best_recipe_is_still_tested(
    iris: Dataset, quick: Training, two_folds: Protocol, replace_fit: ReplaceFit
) -> None:
    replace_fit(failing(lambda i, run: len(run.recipe) == 0))
    study = run_study(iris, "mlp:8", ["l2=1e-2"], quick, protocol=two_folds, population=False)
    assert list(study.test_scores()) == ["l2=0.01"]
