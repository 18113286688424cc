"""The recipes that a study compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodfit.data import TaskSpec
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.registry import all_techniques
from goodfit.technique import Technique
from goodfit.train.config import Training

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
    """A recipe, the label that tables and figures show for it, and its training settings if they are its own.

    `training`: None for the settings of the study.
    """

    label: str
    recipe: Recipe
    training: Training | None = None

    @classmethod
    def of(cls, recipe: Recipe, settings: Training, usual: Training) -> Candidate:
        """A recipe with training settings; the label names those that are not the usual ones.

        >>> Candidate.of(Recipe.of("l2=0.01"), Training(epochs=5), Training()).label
        'l2=0.01; epochs=5'
        """
        if settings == usual:
            return cls(recipe.text() or PLAIN, recipe)
        before = usual.values()
        changes = [f"{name}={value}" for name, value in settings.values().items() if value != before[name]]
        return cls(f"{recipe.text() or PLAIN}; {', '.join(changes)}", recipe, settings)

    def settings(self, usual: Training) -> Training:
        """The training settings; `usual` are those of the study."""
        return self.training or usual

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values.

        Raises:
            InputError: the recipe holds a function, which cannot be stored.
        """
        training = self.training.values() if self.training else None
        return {"label": self.label, "recipe": self.recipe.to_list(), "training": training}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Candidate:
        """The inverse of `to_dict`.

        Raises:
            InputError: a technique is unknown, or a value breaks the rule of its knob.
        """
        training = Training.of(values["training"]) if values["training"] else None
        return cls(values["label"], Recipe.from_list(values["recipe"]), training)


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
    applicable = [recipe for recipe in dict.fromkeys(singles) if all(applies_to(t, spec) for t in recipe)]
    combination = ", ".join(filter(None, (kind.combination, COMBINATION)))
    combined = [t for t in Recipe.of(combination) if applies_to(t, spec)]
    return [
        Candidate(PLAIN, Recipe()),
        *(Candidate(_label(recipe), recipe) for recipe in applicable),
        Candidate(COMBINED, Recipe(tuple(combined))),
    ]


def candidates_from(recipes: Sequence[Recipe | str | Candidate]) -> list[Candidate]:
    """Return the plain network followed by the user's recipes without duplicates; their texts are the labels.

    Raises:
        InputError: a text holds no recipe, or different recipes have the same label.
    """
    own = [r if isinstance(r, Candidate) else Candidate((recipe := Recipe.of(r)).text(), recipe) for r in recipes]
    plan = list(dict.fromkeys([Candidate(PLAIN, Recipe()), *(c for c in own if len(c.recipe) or c.training)]))
    labels = [candidate.label for candidate in plan]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise InputError(f"study: each recipe needs a label of its own, got '{twice[0]}' for two; rename one.")
    return plan


def _label(recipe: Recipe) -> str:
    """Return the name of a single technique with default knobs, or else the text of the recipe."""
    names = [t.name() for t in recipe if t == type(t)()]
    return names[0] if len(recipe) == len(names) == 1 else recipe.text()


def applies_to(technique: Technique, spec: TaskSpec) -> bool:
    """Whether a technique acts on the kind of data and of targets."""
    if not spec.inputs.data_kind.accepts(technique, spec.input_shape[0], spec.inputs.words is not None):
        return False
    needs = technique.needs_targets
    return needs == "any" or needs == ("labels" if spec.classes else "numbers")
