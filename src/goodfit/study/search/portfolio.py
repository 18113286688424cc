"""The portfolio: complementary recipes that were best on other data sets. `benchmarks/portfolio.py` chooses them."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

import yaml

from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.study.search.space import Space
from goodfit.train.config import Training

FILE = "portfolio.yaml"


@functools.cache
def _entries() -> list[dict[str, Any]]:
    return yaml.safe_load(files(__package__).joinpath(FILE).read_text(encoding="utf-8")) or []


def portfolio(training: Training, space: Space) -> list[Candidate]:
    """The recipes of the portfolio, most useful first; techniques outside the space are left out.

    Learning rate and epochs are multiples of those of `training`.
    """
    candidates = [candidate_of(entry, training, space) for entry in _entries()]
    return [c for c in dict.fromkeys(candidates) if len(c.recipe)]


def candidate_of(entry: dict[str, Any], training: Training, space: Space | None = None) -> Candidate:
    """The recipe and settings of an entry."""
    recipe = Recipe.of(entry["recipe"])
    if space is not None:
        recipe = Recipe(tuple(t for t in recipe if t.name() in space.techniques))
    settings = {
        "learning_rate": float(f"{training.learning_rate * entry.get('learning_rate', 1.0):.2g}"),
        "epochs": max(1, round(training.epochs * entry.get("epochs", 1.0))),
        "schedule": entry.get("schedule", training.schedule),
    }
    return Candidate.of(recipe, Training.of(training.values() | settings), training)
