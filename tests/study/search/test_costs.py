"""How long fits take, measured on those that are finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.study.search.budget import Budget
from goodfit.study.search.costs import OVERHEAD, Costs
from goodfit.study.stages import SHORT
from goodfit.train.config import Training

MakeSearch = Callable[..., Any]
USUAL = Training(epochs=30)


@pytest.fixture
def search(make_search: MakeSearch) -> Any:
    return make_search(lambda candidate, key: 0.5, {"l2": (1e-4, 1e-1)}, usual=USUAL, seconds=4.0, folds=2)


def costs(search: Any, budget: str = "1m") -> Costs:
    return Costs(search.study, Budget.of(budget), search.clock, search.rounds)


def test_nothing_is_known_before_the_first_fit(search: Any) -> None:
    assert costs(search).per_fit == 0
    assert costs(search).left == 60
    assert str(costs(search).training_seconds()) == "nan"


def test_first_the_training_time_counts(search: Any) -> None:
    search.train(search.screening().first_fit())
    search.clock.now = 50.0  # processes were started
    assert costs(search).per_fit == OVERHEAD * 4.0
    assert costs(search).training_seconds() == 4.0
    assert costs(search).left == 10.0


def test_then_the_time_since_the_first_rounds_counts(search: Any) -> None:
    for _ in range(2):
        search.train(search.plan().decide())
    search.clock.now = 50.0
    third = replace(search.plan().decide(), seconds=50.0)
    search.train(third)
    search.clock.now = 50.0 + 2.0 * len(third.fits)
    assert third.stage == SHORT
    assert costs(search).per_fit == pytest.approx(6.0)  # with three times as many epochs


def test_fewer_epochs_cost_less(search: Any) -> None:
    search.train(search.screening().first_fit())
    short = Candidate.of(Recipe(), replace(search.study.training, epochs=10), search.study.training)
    plain = search.study.definition.candidates[0]
    assert costs(search).of([short, plain]) == pytest.approx(OVERHEAD * 4.0 * (1 + 1 / 3))
    assert costs(search).of([]) == 0


def test_fits_that_failed_do_not_count(make_search: MakeSearch) -> None:
    search = make_search(lambda candidate, key: None, {"l2": (1e-4, 1e-1)})
    search.train(search.screening().first_fit())
    assert costs(search).per_fit == 0
    search.clock.now = 4000.0
    assert search.plan().decide() is not None  # no division by zero


def test_fits_are_trained_at_the_same_time_but_none_is_faster(search: Any) -> None:
    search.train(search.screening().first_fit())
    both = Costs(search.study, Budget.of("1m"), search.clock, search.rounds, processes=4)
    per_fit = OVERHEAD * 4.0
    plain = search.study.definition.candidates[0]
    assert both.per_fit == pytest.approx(per_fit / 4)
    assert both.of([plain]) == pytest.approx(per_fit)
    assert both.of([plain] * 4) == pytest.approx(per_fit)
    assert both.of([plain] * 6) == pytest.approx(1.5 * per_fit)
    assert both.of([]) == 0
