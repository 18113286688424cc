"""Studies that are interrupted, and runs that fail."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import pytest

from goodfit.data import Dataset
from goodfit.errors import TrainingError
from goodfit.study import Study, run_study
from goodfit.train.config import Training
from goodfit.train.run import Run

ReplaceFit = Callable[[Callable[[int, Run], Run]], None]
RECIPES = ["l2=1e-2", "dropout=0.25, early_stopping=1"]


def rows_without_seconds(study: Study) -> list[dict[str, Any]]:
    return [{k: v for k, v in o.row().items() if k != "seconds"} for o in study.trials]


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


@pytest.mark.parametrize("act", [stopping_at(4), flagging(4)], ids=["between runs", "within a run"])
def test_ctrl_c_keeps_the_finished_runs(
    iris: Dataset, quick: Training, replace_fit: ReplaceFit, act: Callable[[int, Run], Run]
) -> None:
    whole = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    replace_fit(act)
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    assert study.interrupted
    assert rows_without_seconds(study) == rows_without_seconds(whole)[:4]
    assert study.notes[-1] == "interrupted after 4 of 6 runs"
    assert [r.score.n for r in sorted(study.ranking(), key=lambda r: r.candidate.label != "plain")] == [2, 1, 1]


def test_ctrl_c_before_the_first_finished_run(iris: Dataset, quick: Training, replace_fit: ReplaceFit) -> None:
    replace_fit(stopping_at(0))
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    assert study.interrupted
    assert study.best() is None


def test_ctrl_c_while_the_test_part_is_scored_keeps_all_runs(
    iris: Dataset, quick: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("goodfit.study.study")
    real, count = module.scores, iter(range(100))

    def stopping(*arguments: Any) -> tuple[float, float]:
        if next(count) == 6:  # six runs have been scored on their validation parts
            raise KeyboardInterrupt
        score: tuple[float, float] = real(*arguments)
        return score

    monkeypatch.setattr(module, "scores", stopping)
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    assert (study.interrupted, len(study.trials), study.test) == (True, 6, {})
    assert study.notes[-1] == "interrupted after 6 of 6 runs"


def test_diverged_runs_are_recorded_and_the_study_continues(iris: Dataset) -> None:
    study = run_study(iris, "mlp:8", RECIPES, Training(epochs=2, learning_rate=1e30), seeds=2)
    assert [bool(o.failure) for o in study.trials] == [True] * 6
    assert all("epoch 1" in o.failure and math.isnan(o.score) and o.run is None for o in study.trials)
    assert not study.interrupted
    assert study.best() is None
    assert study.test == {}


def test_a_failed_run_does_not_affect_the_others(iris: Dataset, quick: Training, replace_fit: ReplaceFit) -> None:
    def act(i: int, run: Run) -> Run:
        if i == 1:
            raise TrainingError("training: it diverged.")
        return run

    replace_fit(act)
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    assert [o.failure for o in study.trials] == ["", "training: it diverged.", "", "", "", ""]
    ranked = {r.candidate.label: r for r in study.ranking()}
    assert ranked["l2=0.01"].failures == 1
    assert ranked["l2=0.01"].score.n == 1


def test_if_plain_diverges_the_best_recipe_is_still_tested(
    iris: Dataset, quick: Training, replace_fit: ReplaceFit
) -> None:
    def act(i: int, run: Run) -> Run:
        if len(run.recipe) == 0:
            raise TrainingError("training: it diverged.")
        return run

    replace_fit(act)
    study = run_study(iris, "mlp:8", ["l2=1e-2"], quick, seeds=2, population=False)
    assert list(study.test) == ["l2=0.01"]
