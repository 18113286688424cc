"""The check that a population equals solo runs finds a difference."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.errors import TrainingError
from goodfit.recipe import Recipe
from goodfit.techniques import L2
from goodfit.testing import population
from goodfit.testing.population import check_population_equals_solo
from goodfit.train.fit_many import FailedRun, FitManyResult


def test_equal_runs_pass() -> None:
    check_population_equals_solo(L2)


def test_failed_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = FailedRun(Recipe(), 0, TrainingError("training: it diverged."))
    monkeypatch.setattr(population, "fit_many", lambda *a, **k: FitManyResult((), (failed,)))
    with pytest.raises(AssertionError, match=r"must be finished, but: training: it diverged\."):
        check_population_equals_solo(L2)


def test_different_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = population.fit

    def other_seed(*arguments: Any, seed: int, **options: Any) -> Any:
        return fit(*arguments, seed=seed + 1, **options)

    monkeypatch.setattr(population, "fit", other_seed)
    with pytest.raises(AssertionError, match=r"'plain' trained in a population must equal the run trained alone, but "):
        check_population_equals_solo(L2)
