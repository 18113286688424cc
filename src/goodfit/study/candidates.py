"""Which recipes a study compares."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.registry import all_techniques
from goodfit.stages import Augmentation, OnBatch
from goodfit.technique import Technique

PLAIN = "plain"
COMBINED = "combined"
COMBINATION = "weight_decay=0.01, dropout=0.25, label_smoothing=0.1, max_norm=3.0, ema=0.5, early_stopping=10"
"""Fixed before any data is seen, so that its score is as honest as that of a single technique."""

USUAL = (
    "l1", "l2", "elastic_net", "weight_decay", "max_norm", "dropout", "gaussian_noise", "batch_norm", "label_smoothing",
    "mixup", "cutmix", "clip_grad_norm", "ema", "early_stopping",
)  # fmt: skip
"""What a study compares unless it is asked for more: what works on any network, at the cost of a plain run."""
MOVES = "shift=0.1, rotation=10.0, zoom=0.1"
WORDS = "word_removal(0.3, by=tf_idf), word_dropout=0.5"
"""What helped on real messages, chosen apart from those on which that was shown: docs/augmentation.md."""
USUAL_OF: dict[str, tuple[str, ...]] = {
    "image": ("shift=0.1", "rotation=10.0", "zoom=0.1", "brightness=0.2", "contrast=0.2", "cut_out", MOVES),
    "video": ("shift=0.1", "rotation=10.0", "zoom=0.1", "brightness=0.2", "contrast=0.2", MOVES),
    "sound": ("sound_shift=0.1", "spec_augment", "speed=0.1"),
    "text": ("word_dropout=0.5", "word_removal(0.3, by=tf_idf)", "synonyms=0.2", WORDS),
}
"""Kind of inputs → the augmentations that a study compares, too: none that could turn a sample into another class's.

Speed changes pitch, as it does between voices: where notes are told apart it shows itself to hurt, and so it is in no
combination.
"""
COMBINATION_OF: dict[str, str] = {"image": MOVES, "video": MOVES, "text": WORDS}
"""Kind of inputs → what its combination begins with."""


@dataclass(frozen=True)
class Candidate:
    """A recipe under a short label."""

    label: str
    recipe: Recipe


def candidates(spec: TaskSpec, catalogue: bool = False) -> list[Candidate]:
    """The plain network, techniques alone at their defaults, and a combined recipe; those that fit the task.

    `catalogue`: every technique of the catalogue and every registered one, not only the usual ones.

    >>> spec = TaskSpec("regression", "y", (), (3,), 1, "d")
    >>> "label_smoothing" in [c.label for c in candidates(spec)]
    False
    """
    kind = spec.inputs.kind
    known = all_techniques()
    singles = [Recipe((known[name](),)) for name in (sorted(known) if catalogue else USUAL)]
    singles += [Recipe.of(text) for text in USUAL_OF.get(kind, ())]
    fitting = [recipe for recipe in dict.fromkeys(singles) if all(_understands(t, spec) for t in recipe)]
    whole = ", ".join(filter(None, (COMBINATION_OF.get(kind), COMBINATION)))
    combined = [t for t in Recipe.of(whole) if _understands(t, spec)]
    return [
        Candidate(PLAIN, Recipe()),
        *(Candidate(_label(recipe), recipe) for recipe in fitting),
        Candidate(COMBINED, Recipe(tuple(combined))),
    ]


def candidates_of(recipes: list[Recipe]) -> list[Candidate]:
    """Recipes of the user's own, each under its text, with the plain network in front."""
    own = [Candidate(recipe.text(), recipe) for recipe in dict.fromkeys(recipes) if len(recipe)]
    return [Candidate(PLAIN, Recipe()), *own]


def _label(recipe: Recipe) -> str:
    """The technique's name where it has its usual strength, else the recipe's text."""
    names = [t.name() for t in recipe if t == type(t)()]
    return names[0] if len(recipe) == len(names) == 1 else recipe.text()


def _understands(technique: Technique, spec: TaskSpec) -> bool:
    if isinstance(technique, Augmentation):
        if spec.inputs.kind not in technique.kinds or (technique.coloured and spec.input_shape[0] != 3):
            return False
        if technique.worded and spec.inputs.words is None:
            return False
    elif isinstance(technique, OnBatch) and technique.inputs == "floats" and spec.inputs.kind == "text":
        return False
    needs = getattr(technique, "needs", "any")
    return needs == "any" or needs == ("labels" if spec.classes else "numbers")
