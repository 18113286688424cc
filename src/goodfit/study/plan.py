"""Which recipes a study compares."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.stages import OnBatch
from goodfit.techniques import ALL

PLAIN = "plain"
COMBINED = "combined"
COMBINATION = "weight_decay=0.01, dropout=0.25, label_smoothing=0.1, max_norm=3.0, ema=0.5, early_stopping=10"
"""Fixed before any data is seen, so that its score is as honest as that of a single technique."""


@dataclass(frozen=True)
class Candidate:
    """A recipe under a short label."""

    label: str
    recipe: Recipe


def candidates(spec: TaskSpec) -> list[Candidate]:
    """The plain network, each technique alone at its default, and a combined recipe; those that fit the task.

    >>> spec = TaskSpec("regression", "y", (), (3,), 1, "d")
    >>> "label_smoothing" in [c.label for c in candidates(spec)]
    False
    """
    singles = [technique() for technique in ALL.values()]
    fitting = [t for t in singles if not _labels_only(t) or spec.task == "classification"]
    combined = [t for t in Recipe.of(COMBINATION) if not _labels_only(t) or spec.task == "classification"]
    return [
        Candidate(PLAIN, Recipe()),
        *(Candidate(t.name(), Recipe((t,))) for t in fitting),
        Candidate(COMBINED, Recipe(tuple(combined))),
    ]


def named(recipes: list[Recipe]) -> list[Candidate]:
    """Recipes of the user's own, each under its text, with the plain network in front."""
    own = [Candidate(recipe.text(), recipe) for recipe in dict.fromkeys(recipes) if len(recipe)]
    return [Candidate(PLAIN, Recipe()), *own]


def _labels_only(technique: object) -> bool:
    return isinstance(technique, OnBatch) and technique.needs == "labels"
