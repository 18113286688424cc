"""The recipes that a study compares."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.registry import all_techniques
from goodfit.technique import Technique

PLAIN = "plain"
COMBINED = "combined"
COMBINATION = "weight_decay=0.01, dropout=0.25, label_smoothing=0.1, max_norm=3.0, ema=0.5, early_stopping=10"
"""The combined recipe. It was chosen before any data was evaluated, so its score is not biased by that choice."""

DEFAULT_TECHNIQUES = (
    "l1", "l2", "elastic_net", "weight_decay", "max_norm", "dropout", "gaussian_noise", "batch_norm", "label_smoothing",
    "mixup", "cutmix", "clip_grad_norm", "ema", "early_stopping",
)  # fmt: skip
"""Techniques that a study compares by default: they work on any network and cost no more than a plain run."""


@dataclass(frozen=True)
class Candidate:
    """A recipe and the short label that tables and figures show for it."""

    label: str
    recipe: Recipe


def default_candidates(spec: TaskSpec, catalogue: bool = False) -> list[Candidate]:
    """Return the default candidates for a task: the plain network, single techniques and a combined recipe.

    Args:
        spec: the task; techniques that do not apply to it are left out.
        catalogue: include every technique of the catalogue and every registered one, not only the default ones.

    >>> spec = TaskSpec("regression", "y", (), (3,), 1, "d")
    >>> "label_smoothing" in [c.label for c in default_candidates(spec)]
    False
    """
    kind = spec.inputs.data_kind
    known = all_techniques()
    singles = [Recipe((known[name](),)) for name in (sorted(known) if catalogue else DEFAULT_TECHNIQUES)]
    singles += [Recipe.of(text) for text in kind.augmentations]
    applicable = [recipe for recipe in dict.fromkeys(singles) if all(_applies_to(t, spec) for t in recipe)]
    combination = ", ".join(filter(None, (kind.combination, COMBINATION)))
    combined = [t for t in Recipe.of(combination) if _applies_to(t, spec)]
    return [
        Candidate(PLAIN, Recipe()),
        *(Candidate(_label(recipe), recipe) for recipe in applicable),
        Candidate(COMBINED, Recipe(tuple(combined))),
    ]


def candidates_from(recipes: list[Recipe]) -> list[Candidate]:
    """Return the plain network followed by the user's recipes without duplicates; their texts are the labels."""
    return [Candidate(PLAIN, Recipe()), *(Candidate(r.text(), r) for r in dict.fromkeys(recipes) if len(r))]


def _label(recipe: Recipe) -> str:
    """Return the name of a single technique with default knobs, or else the text of the recipe."""
    names = [t.name() for t in recipe if t == type(t)()]
    return names[0] if len(recipe) == len(names) == 1 else recipe.text()


def _applies_to(technique: Technique, spec: TaskSpec) -> bool:
    if not spec.inputs.data_kind.accepts(technique, spec.input_shape[0], spec.inputs.words is not None):
        return False
    needs = technique.needs_targets
    return needs == "any" or needs == ("labels" if spec.classes else "numbers")
