"""What a search begins with: the space that fits the network and the data, and the recipes that are tried first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from goodfit.data import TaskSpec
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate, applies_to
from goodfit.study.search.defaults import default_space, single_techniques
from goodfit.study.search.portfolio import portfolio
from goodfit.study.search.space import Space
from goodfit.train.config import Training

STANDARD = "weight_decay=1.0, early_stopping=10"
"""The recipe that is compared in any case, if it is in the space: what most people would try."""
Check = Callable[[Candidate], None]
"""Raises InputError if a recipe does not fit the network and the data."""


@dataclass(frozen=True, eq=False)
class SearchStart:
    """The space of a search, the recipes that are compared in any case, and those that are tried first.

    Attributes:
        fixed: compared in any case; without the plain network.
        starters: tried first, each on one fold.
        singles: for each axis, recipes with one technique alone, weakest first.
        notes: what was left out of the default space, and why.
    """

    space: Space
    fixed: tuple[Candidate, ...]
    starters: tuple[Candidate, ...]
    singles: dict[str, list[Recipe]]
    notes: tuple[str, ...]


def search_start(space: Space | None, spec: TaskSpec, training: Training, check: Check) -> SearchStart:
    """The start of a search in a space, by default in the default space of the task.

    Raises:
        InputError: a technique of the user's own space does not fit the network or the data.
    """
    own = space is not None
    space = default_space(spec, training) if space is None else space
    notes: list[str] = []
    for name in space.techniques:
        axis = next(axis for axis in space.axes if axis.owner == name and axis.off)
        value = axis.scale.value(0.5)
        recipe = space.single(axis, value)
        try:
            if own and not all(applies_to(t, spec) for t in recipe):
                raise InputError(f"space: {name} must fit the data, got data of the kind {spec.inputs.kind}.")
            check(Candidate(recipe.text(), recipe))
        except InputError as error:
            if own:
                raise
            notes.append(f"not searched: {name} ({error})")
            space = space.restricted(set(space.techniques) - {name})
    singles = single_techniques(space, spec)
    known = [] if own else portfolio(training, space)
    starters = [Candidate(r.text(), r) for r in _by_usefulness(singles)]
    fixed = [] if own else [*_standard(space), *known[:1]]
    starters = [c for c in dict.fromkeys([*known, *starters]) if c not in fixed]
    return SearchStart(space, _fitting(fixed, check), _fitting(starters, check), singles, tuple(notes))


def _by_usefulness(singles: Mapping[str, Sequence[Recipe]]) -> list[Recipe]:
    """The recipes with one technique, first those with a medium strength of each."""
    middle = [recipes[len(recipes) // 2] for recipes in singles.values()]
    return list(dict.fromkeys([*middle, *(recipe for recipes in singles.values() for recipe in recipes)]))


def _standard(space: Space) -> list[Candidate]:
    recipe = Recipe.of(STANDARD)
    return [Candidate(recipe.text(), recipe)] if {t.name() for t in recipe} <= set(space.techniques) else []


def _fitting(candidates: Sequence[Candidate], check: Check) -> tuple[Candidate, ...]:
    """The candidates that fit."""
    return tuple(candidate for candidate in candidates if fits(candidate, check))


def fits(candidate: Candidate, check: Check) -> bool:
    """Whether a candidate fits the network and the data."""
    try:
        check(candidate)
    except InputError:
        return False
    return True
