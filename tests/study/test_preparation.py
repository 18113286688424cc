"""Preparation of a study: what is refused before the first fit."""

from __future__ import annotations

import pytest
from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.study.preparation import check_catalogue, check_shapes, check_source, checker, prepare_all, with_metric
from goodfit.train.config import Training
from goodfit.train.population.jobs import Networks, Planner

SHORT = Training(epochs=2)


def named(text: str) -> Candidate:
    return Candidate(text, Recipe.of(text))


def planner() -> Planner:
    return Planner(Networks("mlp:4", fresh=True), None)


def test_data_must_be_a_data_set_or_a_split() -> None:
    with pytest.raises(InputError, match=r"must be a Dataset or a Split, got list; use goodfit\.load"):
        check_source([1, 2])  # type: ignore[arg-type]


def test_lazy_layers_are_refused_by_name() -> None:
    check_shapes(nn.Linear(2, 2))
    check_shapes("mlp")
    with pytest.raises(InputError, match=r"got the lazy '0\.weight'; call the network once"):
        check_shapes(nn.Sequential(nn.LazyLinear(2)))


@pytest.mark.parametrize(
    ("recipes", "budget", "space", "message"),
    [
        ([], "5m", None, "without budget='5m'"),
        ([], None, {"l2": (0.1, 1)}, "without space="),
        (["l2=0.1"], None, None, "got 1 of them"),
    ],
)
def test_the_catalogue_alone(recipes: list[str], budget: str | None, space: object, message: str) -> None:
    check_catalogue(False, recipes, budget, space)
    with pytest.raises(InputError, match=message):
        check_catalogue(True, recipes, budget, space)


def test_a_recipe_that_does_not_fit_is_refused_or_left_out(three_class_split: Split) -> None:
    plan = [named("l2=0.1"), named("dropout(on=nothing)")]
    with pytest.raises(InputError, match="nothing"):
        prepare_all(plan, planner(), three_class_split, SHORT, drop=False)
    fitting, notes = prepare_all(plan, planner(), three_class_split, SHORT, drop=True)
    assert fitting == plan[:1]
    assert [note.partition(" (")[0] for note in notes if note.startswith("left out")] == [
        "left out: dropout(on=nothing)"
    ]


def test_a_checker_raises_for_a_recipe_that_does_not_fit(three_class_split: Split) -> None:
    check = checker(planner(), three_class_split, SHORT)
    check(named("l2=0.1"))
    with pytest.raises(InputError, match="nothing"):
        check(named("dropout(on=nothing)"))


def test_the_metric_is_that_of_the_option_of_the_settings_or_of_the_data(three_class_split: Split) -> None:
    assert with_metric(Training(metric="log_loss"), three_class_split, "accuracy").metric == "accuracy"
    assert with_metric(Training(metric="log_loss"), three_class_split, None).metric == "log_loss"
    assert with_metric(Training(), three_class_split, None).metric != "auto"
