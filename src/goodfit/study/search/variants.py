"""Variants of a recipe that explain it: without one of its techniques, and with other strengths."""

from __future__ import annotations

import math
from collections.abc import Iterator

from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.technique import Knob, Technique

FACTORS = (0.01, 0.1, 1 / 3, 3.0, 10.0)
"""Strengths of a sweep as multiples of the recommended one, which is trained already."""


def without_each(candidate: Candidate) -> list[Candidate]:
    """The recipe without each of its techniques; empty for fewer than two.

    >>> [c.label for c in without_each(Candidate("", Recipe.of("l2=0.01, dropout=0.5, ema")))]
    ['without l2: dropout=0.5, ema=0.5', 'without dropout: l2=0.01, ema=0.5', 'without ema: l2=0.01, dropout=0.5']
    """
    techniques = tuple(candidate.recipe)
    if len(techniques) < 2:
        return []
    return [
        Candidate(f"without {left_out(techniques, i)}: {rest.text()}", rest, candidate.training)
        for i in range(len(techniques))
        if (rest := Recipe(techniques[:i] + techniques[i + 1 :]))
    ]


def left_out(techniques: tuple[Technique, ...], i: int) -> str:
    """The name of a technique, with its layers if another one has the same name."""
    technique = techniques[i]
    twice = sum(t.name() == technique.name() for t in techniques) > 1
    return f"{technique.name()}(on={technique.on})" if twice else technique.name()


def sweep(candidate: Candidate) -> dict[str, list[tuple[float, Candidate]]]:
    """For each active strength of a recipe, the recipe with other strengths from no effect to harm.

    >>> variants = sweep(Candidate("", Recipe.of("l2=0.01, dropout=0.5")))
    >>> [value for value, _ in variants["dropout.rate"]]
    [0.005, 0.05, 0.17, 0.75, 0.9]
    """
    variants: dict[str, list[tuple[float, Candidate]]] = {}
    techniques = tuple(candidate.recipe)
    for i, technique in enumerate(techniques):
        for knob in technique.strengths():
            own = getattr(technique, knob)
            declared = technique.knobs()[knob]
            if own == declared.neutral or isinstance(own, str):
                continue
            name = f"{left_out(techniques, i)}.{knob}"
            variants[name] = []
            for value in _strengths(own, declared):
                changed = type(technique).of(technique.values() | {knob: value})
                recipe = Recipe((*techniques[:i], changed, *techniques[i + 1 :]))
                variants[name].append(
                    (value, Candidate(f"sweep of {name}: {recipe.text()}", recipe, candidate.training))
                )
    return variants


def _strengths(own: float, knob: Knob) -> Iterator[float]:
    """Multiples of a strength that its knob allows; of a share, the upper ones halve its distance from 1."""
    known = {own}
    for factor in FACTORS:
        is_share = knob.high == 1 and knob.low >= 0
        value = 1 - (1 - own) / {3.0: 2, 10.0: 5}[factor] if is_share and factor > 1 else own * factor
        rounded = max(1, round(value)) if knob.value_type is int else float(f"{value:.2g}")
        if rounded not in known and math.isfinite(rounded) and knob.holds(rounded):
            known.add(rounded)
            yield rounded
