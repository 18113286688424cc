"""The portfolio: recipes and settings of entries, for the task and the space of a study."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from typing import Any

import pytest
import yaml

from goodfit.data import Inputs, TaskSpec
from goodfit.recipe import Recipe
from goodfit.study.search.defaults import default_space
from goodfit.study.search.portfolio import FILE, candidate_of, portfolio
from goodfit.study.search.space import Space
from goodfit.train.config import Training

HOME = import_module("goodfit.study.search.portfolio")
TABLE = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d")
IMAGES = TaskSpec("classification", "y", ("a", "b"), (3, 8, 8), 2, "d", Inputs("image"))
USUAL = Training(epochs=60, learning_rate=0.002)
ENTRIES: list[dict[str, Any]] = [
    {
        "recipe": "dropout=0.4, l2=0.003",
        "learning_rate": 2.5,
        "epochs": 0.5,
    },
    {"recipe": "weight_decay=1.0"},
    {"recipe": "l1=0.001"},
    {"recipe": "ema=1.0", "schedule": "cosine"},
    {"recipe": "rotation=20.0"},
]


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HOME, "_entries", lambda: ENTRIES)


def test_settings_are_multiples_of_the_usual_ones() -> None:
    candidate = candidate_of(ENTRIES[0], USUAL)
    assert candidate.recipe == Recipe.of("dropout=0.4, l2=0.003")
    assert candidate.settings(USUAL) == Training(epochs=30, learning_rate=0.005)
    assert candidate.label == "dropout=0.4, l2=0.003; epochs=30, learning_rate=0.005"
    plain = candidate_of(ENTRIES[1], USUAL)
    assert (plain.training, plain.label) == (None, "weight_decay=1.0")
    assert candidate_of({"recipe": "l2=0.1", "epochs": 0.001}, USUAL).settings(USUAL).epochs == 1


def test_entries_keep_their_order_and_what_applies(entries: None) -> None:
    labels = [c.label for c in portfolio(USUAL, default_space(TABLE, USUAL))]
    assert labels == [
        "dropout=0.4, l2=0.003; epochs=30, learning_rate=0.005", "weight_decay=1.0", "l1=0.001",
        "ema=1.0; schedule=cosine",
    ]  # fmt: skip
    turned = [c.recipe.text() for c in portfolio(USUAL, default_space(IMAGES, USUAL))]
    assert turned[-1] == "rotation=20.0"


def test_techniques_outside_the_space_are_left_out(entries: None) -> None:
    space = Space({"l2": (1e-4, 1e-1), "max_norm": (0.3, 3.0)})
    assert [c.recipe.text() for c in portfolio(USUAL, space)] == ["l2=0.003"]


def test_the_portfolio_of_the_package_is_valid() -> None:
    entries = yaml.safe_load(files("goodfit.study.search").joinpath(FILE).read_text(encoding="utf-8"))
    assert isinstance(entries, list)
    for entry in entries:
        assert {"recipe"} <= entry.keys() <= {"recipe", "learning_rate", "epochs", "schedule"}
        assert len(candidate_of(entry, USUAL).recipe)
