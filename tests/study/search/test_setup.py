"""The start of a search: its space, the recipes that are compared in any case, and those that are tried first."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from goodfit.data import Split, TaskSpec
from goodfit.errors import InputError
from goodfit.study.candidates import Candidate
from goodfit.study.preparation import checker
from goodfit.study.search.defaults import default_space, single_techniques
from goodfit.study.search.setup import STANDARD, fits, search_start
from goodfit.study.search.space import Space
from goodfit.train.config import Training
from goodfit.train.population.jobs import Networks, Planner

TABLE = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d")
USUAL = Training(epochs=30, metric="accuracy")


def accept(candidate: Candidate) -> None:
    """Every recipe fits."""


def refuse(*names: str) -> Any:
    def check(candidate: Candidate) -> None:
        if own := {t.name() for t in candidate.recipe} & set(names):
            raise InputError(f"{min(own)}: it must fit the network, got another one.")

    return check


@pytest.fixture
def no_portfolio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("goodfit.study.search.portfolio"), "_entries", list)


def test_the_default_search_compares_the_standard_recipe_in_any_case(no_portfolio: None) -> None:
    start = search_start(None, TABLE, USUAL, accept)
    assert start.space == default_space(TABLE, USUAL)
    assert [c.recipe.text() for c in start.fixed] == [STANDARD]
    assert start.notes == ()
    assert start.singles == single_techniques(start.space, TABLE)


def test_starters_are_all_single_techniques_medium_strengths_first(no_portfolio: None) -> None:
    start = search_start(None, TABLE, USUAL, accept)
    recipes = [c.recipe for c in start.starters]
    expected = {recipe for own in start.singles.values() for recipe in own}
    assert set(recipes) == expected
    assert len(recipes) == len(expected)
    medium = recipes[: len(start.singles)]
    assert [r.text() for r in medium] == [own[len(own) // 2].text() for own in start.singles.values()]
    assert "l2=0.01" in [r.text() for r in medium]
    assert all(c.training is None for c in start.starters)


def test_own_spaces_have_no_other_recipes() -> None:
    space = Space({"l2": (1e-4, 1e-1), "dropout": (0.1, 0.8), "learning_rate": (1e-3, 1e-2)})
    start = search_start(space, TABLE, USUAL, accept)
    assert start.space is space
    assert start.fixed == ()
    assert {t.name() for c in start.starters for t in c.recipe} == {"l2", "dropout"}
    both = Space({"weight_decay": (0.1, 3.0), "early_stopping": (4, 20)})
    assert search_start(both, TABLE, USUAL, accept).fixed == ()


def test_techniques_that_do_not_fit_are_left_out_of_the_default_space_with_a_note(no_portfolio: None) -> None:
    start = search_start(None, TABLE, USUAL, refuse("batch_norm", "weight_decay"))
    assert not {"batch_norm", "weight_decay"} & set(start.space.techniques)
    assert "l2" in start.space.techniques
    assert start.notes == (
        "not searched: batch_norm (batch_norm: it must fit the network, got another one.)",
        "not searched: weight_decay (weight_decay: it must fit the network, got another one.)",
    )
    assert start.fixed == ()  # the standard recipe needs weight decay
    assert not {"batch_norm", "weight_decay"} & {t.name() for c in start.starters for t in c.recipe}


def test_a_technique_of_an_own_space_that_does_not_fit_is_an_error() -> None:
    space = Space({"l2": (1e-4, 1e-1), "dropout": (0.1, 0.8)})
    with pytest.raises(InputError, match="dropout: it must fit the network"):
        search_start(space, TABLE, USUAL, refuse("dropout"))
    with pytest.raises(InputError, match=r"^space: rotation must fit the data, got data of the kind table"):
        search_start(Space({"rotation": (5, 45)}), TABLE, USUAL, accept)
    numbers = TaskSpec("regression", "y", (), (4,), 1, "d")
    with pytest.raises(InputError, match="label_smoothing must fit the data"):
        search_start(Space({"label_smoothing": (0.05, 0.2)}), numbers, USUAL, accept)


@pytest.mark.parametrize(
    "ranges", [{"early_stopping.min_delta": (0.0, 0.1)}, {"l2": (1e-3, 1e-1), "ema": True}, {"epochs": (5, 30)}]
)
def test_every_valid_space_has_a_start_or_an_error(ranges: dict[str, Any]) -> None:
    try:
        start = search_start(Space(ranges), TABLE, USUAL, accept)
    except InputError:
        return
    assert start.space == Space(ranges)


def test_the_portfolio_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"recipe": text} for text in ("dropout=0.4, l2=0.003", "l1=0.002", "l2=0.01")]
    monkeypatch.setattr(import_module("goodfit.study.search.portfolio"), "_entries", lambda: entries)
    start = search_start(None, TABLE, USUAL, accept)
    assert [c.recipe.text() for c in start.fixed] == [STANDARD, "dropout=0.4, l2=0.003"]
    assert [c.recipe.text() for c in start.starters[:2]] == ["l1=0.002", "l2=0.01"]
    assert len({c.recipe for c in start.starters}) == len(start.starters)  # l2=0.01 is a single technique, too
    without = search_start(None, TABLE, USUAL, lambda c: refuse("l2")(c) if len(c.recipe) > 1 else None)
    assert [c.recipe.text() for c in without.fixed] == [STANDARD]


def test_a_network_decides_what_fits(three_class_split: Split) -> None:
    usual = Training(epochs=2, metric="accuracy")
    check = checker(Planner(Networks("mlp:4", fresh=True), None), three_class_split, usual)
    start = search_start(None, three_class_split.spec, usual, check)
    assert "dropout" in start.space.techniques
    assert all(fits(candidate, check) for candidate in (*start.fixed, *start.starters))
    linear = checker(Planner(Networks("linear", fresh=True), None), three_class_split, usual)
    left = search_start(None, three_class_split.spec, usual, linear)
    assert not fits(Candidate("", start.singles["batch_norm"][0]), linear) or "batch_norm" in left.space.techniques
    for name in set(start.space.techniques) - set(left.space.techniques):
        assert any(note.startswith(f"not searched: {name} (") for note in left.notes)
