"""Every technique, with different strengths in one population: each run equals the same run trained alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from goodfit import techniques
from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Decay, Normalization, OnEpoch, OnEval, Penalty, Recurrent, TrainableStrengths
from goodfit.technique import Technique
from goodfit.techniques import RDrop
from goodfit.testing.runs import strongest
from goodfit.testing.setups import Setup, setup
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.run import Run

together = partial(fit_many, population=True)
OTHERS = Recipe.of("dropout=0.2, l2=1e-3")


def optimizers(kind: type[Technique]) -> list[str]:
    """The optimizers to train with: both for techniques that depend on the optimizer's step size.

    A bias in front of a normalization has a gradient of rounding errors, which Adam would turn into whole steps.
    """
    if issubclass(kind, Normalization):
        return ["sgd"]
    return ["adam", "sgd"] if issubclass(kind, Penalty | Decay) else ["adam"]


CASES = [(kind, optimizer) for kind in techniques.ALL.values() for optimizer in optimizers(kind)]


def strengths(kind: type[Technique], strong: Technique) -> list[Recipe]:
    """Recipes: without it, default with other techniques, strong, neutral, and scheduled."""
    others = [technique for technique in OTHERS if type(technique) is not kind]
    recipes = [Recipe(), Recipe((kind(), *others)), Recipe.of(strong)]
    if kind.strengths():
        recipes.append(Recipe.of(kind.of({name: kind.knobs()[name].neutral for name in kind.strengths()})))
    if "schedule" in kind.knobs():
        recipes.append(Recipe.of(kind.of(strong.values() | {"schedule": "cosine"})))
    return recipes


def is_trained_alone(kind: type[Technique], recipe: Recipe) -> bool:
    """Whether a run cannot be part of a population.

    Networks with recurrent layers cannot. The network on which R-Drop is tested has dropout, which draws new random
    numbers in its extra forward pass.
    """
    return issubclass(kind, Recurrent) or any(
        t.not_vectorizable
        or isinstance(t, RDrop)
        or (isinstance(t, TrainableStrengths) and t.values()["schedule"] != "constant")
        for t in recipe
    )


PLAIN_RUNS: dict[tuple[str, Training], list[Run]] = {}


def plain_run(place: Setup, split: Split, training: Training) -> list[Run]:
    """The run without any technique, which techniques with the same setup share."""
    key = (repr(place.build), training)
    if key not in PLAIN_RUNS:
        PLAIN_RUNS[key] = [fit(place.model().double(), split, "", training, seed=0, progress=False)]
    return PLAIN_RUNS[key]


@pytest.mark.parametrize(("kind", "optimizer"), CASES, ids=[f"{kind.name()}-{o}" for kind, o in CASES])
def test_members_with_different_strengths_equal_solo_runs(
    kind: type[Technique],
    optimizer: str,
    to_double: Callable[[Split], Split],
    train_alone: Callable[..., Any],
    assert_equal: Callable[..., None],
    solo_runs: list[tuple[str, int]],
) -> None:
    place, stops = setup(kind), issubclass(kind, OnEpoch)
    model, split, recipes = place.model().double(), to_double(place.split), strengths(kind, strongest(kind))
    epochs = 4 if issubclass(kind, OnEval) else 2  # averages of several epochs
    settings = {"epochs": 15, "batch_size": 24, "learning_rate": 0.1} if stops else {"epochs": epochs, "batch_size": 13}
    training = Training.of({"learning_rate": 0.01, "optimizer": optimizer} | settings)
    runs: Any = together(model, split, recipes, training, seeds=(0, 1))
    assert {recipe for recipe, _ in solo_runs} == {r.text() for r in recipes if is_trained_alone(kind, r)}
    for i, recipe in enumerate(recipes):
        seed = i % 2  # one seed per recipe is compared
        one = (
            train_alone(model, split, [recipe], training, [seed]) if len(recipe) else plain_run(place, split, training)
        )
        assert_equal([runs[2 * i + seed]], one, 0.0 if is_trained_alone(kind, recipe) else 1e-10)
    assert any(run.stopped for run in runs) == stops
