"""Which recipes a study compares."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.technique import Technique
from goodfit.techniques import ALL

PLAIN = "plain"
COMBINED = "combined"
COMBINATION = "weight_decay=0.01, dropout=0.25, label_smoothing=0.1, max_norm=3.0, ema=0.5, early_stopping=10"
"""Fixed before any data is seen, so that its score is as honest as that of a single technique."""

USUAL = (
    "l1", "l2", "elastic_net", "weight_decay", "max_norm", "dropout", "gaussian_noise", "batch_norm", "label_smoothing",
    "mixup", "cutmix", "clip_grad_norm", "ema", "early_stopping",
)  # fmt: skip
"""What a study compares unless it is asked for more: what works on any network, at the cost of a plain run."""


@dataclass(frozen=True)
class Candidate:
    """A recipe under a short label."""

    label: str
    recipe: Recipe


def candidates(spec: TaskSpec, catalogue: bool = False) -> list[Candidate]:
    """The plain network, techniques alone at their defaults, and a combined recipe; those that fit the task.

    `catalogue`: every technique there is, not only the usual ones.

    >>> spec = TaskSpec("regression", "y", (), (3,), 1, "d")
    >>> "label_smoothing" in [c.label for c in candidates(spec)]
    False
    """
    singles = [ALL[name]() for name in (sorted(ALL) if catalogue else USUAL)]
    fitting = [t for t in singles if _understands(t, spec)]
    combined = [t for t in Recipe.of(COMBINATION) if _understands(t, spec)]
    return [
        Candidate(PLAIN, Recipe()),
        *(Candidate(t.name(), Recipe((t,))) for t in fitting),
        Candidate(COMBINED, Recipe(tuple(combined))),
    ]


def named(recipes: list[Recipe]) -> list[Candidate]:
    """Recipes of the user's own, each under its text, with the plain network in front."""
    own = [Candidate(recipe.text(), recipe) for recipe in dict.fromkeys(recipes) if len(recipe)]
    return [Candidate(PLAIN, Recipe()), *own]


def _understands(technique: Technique, spec: TaskSpec) -> bool:
    needs = getattr(technique, "needs", "any")
    return needs == "any" or needs == ("labels" if spec.task == "classification" else "numbers")
