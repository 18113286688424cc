"""Techniques that change no prediction at some strength, and the next stronger one."""

from __future__ import annotations

import torch

from goodfit.recipe import Recipe
from goodfit.study.fits import Fit
from goodfit.study.search.axes import Axis, Range

EQUAL = 1e-4
"""Outputs that differ by less than this share of their spread are equal: the rounding of a population differs."""
STEP = 10.0
"""Factor between two strengths when a technique had no effect."""


def has_no_effect(fit: Fit, plain: Fit) -> bool:
    """Whether a fit predicts the same as the plain network of the same fold."""
    if fit.failure or plain.failure:
        return False
    own, other = (each.predictions["validation"].outputs.double() for each in (fit, plain))
    spread = float(other.std()) if other.numel() > 1 else 1.0
    return bool(torch.isfinite(own).all()) and float((own - other).abs().max()) <= EQUAL * max(spread, 1e-12)


def stronger(recipe: Recipe, axis: Axis) -> Recipe | None:
    """A recipe of one technique with a strength that is `STEP` times further from neutral; None beyond the bounds.

    >>> from goodfit.study.search.space import Space
    >>> stronger(Recipe.of("weight_decay=0.1"), Space({"weight_decay": (0.01, 10.0)}).axes[0]).text()
    'weight_decay=1.0'
    >>> stronger(Recipe.of("max_norm=3"), Space({"max_norm": (0.3, 3.0)}).axes[0]).text()
    'max_norm=0.3'
    """
    (technique,) = recipe
    if not axis.knob or not isinstance(axis.scale, Range):
        return None
    value, neutral = getattr(technique, axis.knob), technique.knobs()[axis.knob].neutral
    if not isinstance(neutral, int | float) or isinstance(value, str):
        return None
    further = value * STEP if neutral < value else value / STEP
    further = int(further) if axis.scale.whole else float(f"{further:.2g}")
    if further == value or not technique.knobs()[axis.knob].holds(further):
        return None
    return Recipe((type(technique).of(technique.values() | {axis.knob: further}),))
