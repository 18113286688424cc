"""Measure the effect of a technique: train with and without it, at several strengths, with several seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from effects.setups import Setup, setup
from goodfit.pages import recipe_text
from goodfit.stages import OnEpoch
from goodfit.technique import Knob, Technique, Value
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

SEEDS = 3
STRENGTHS = 5

Numbers = dict[str, Any]
"""The data of a figure, as plain JSON values."""


def measure(technique: type[Technique]) -> Numbers:
    """Measure the numbers for the figure of one technique."""
    problem, knob = setup(technique), technique.knobs().get(technique.main_knob() or "")
    common = {
        "technique": technique.name(),
        "trained": problem.description,
        "measured": problem.measured,
        "seeds": SEEDS,
    }
    without = [_trained(problem, "", seed) for seed in range(SEEDS)]
    if issubclass(technique, OnEpoch):
        return common | _stopping(problem, technique, without)
    if knob is None or isinstance(knob.default, bool | str):
        runs = [_trained(problem, technique(), seed) for seed in range(SEEDS)]
        curves = {
            "recipe": recipe_text(technique()),
            "with": _curves(problem, runs),
            "without": _curves(problem, without),
        }
        return common | {"kind": "presence", "recipe": recipe_text(technique())} | curves
    return common | _strengths(problem, technique, without)


def grid(knob: Knob) -> list[Value]:
    """Values over the search range, including both ends.

    >>> from goodfit.techniques import L2
    >>> grid(L2.knobs()["l2"])
    [1e-06, 1.8e-05, 0.00032, 0.0056, 0.1]
    """
    low, high = (float(end) for end in knob.search)
    even = np.geomspace(low, high, STRENGTHS) if knob.log else np.linspace(low, high, STRENGTHS)
    if isinstance(knob.default, int):
        return sorted({round(value) for value in even})
    return [low, *(float(f"{value:.2g}") for value in even[1:-1]), high]


def _strengths(problem: Setup, technique: type[Technique], without: list[Run]) -> Numbers:
    name = str(technique.main_knob())
    values = grid(technique.knobs()[name])
    recipes = [technique.of({name: value}) for value in values]
    runs = [[_trained(problem, recipe, seed) for seed in range(SEEDS)] for recipe in recipes]
    columns = {part: [_kept(problem, part, row) for row in runs] for part in ("train", "stop")}
    plain = {part: _kept(problem, part, without) for part in ("train", "stop")}
    texts = [recipe_text(recipe) for recipe in recipes]
    return {"kind": "strength", "knob": name, "values": values, "recipes": texts, **columns, "without": plain}


def _stopping(problem: Setup, technique: type[Technique], without: list[Run]) -> Numbers:
    runs = [_trained(problem, technique(), seed) for seed in range(SEEDS)]
    stops = [{"epochs": r.epochs, "kept": r.kept_epoch, "stopped": bool(r.stopped)} for r in runs]
    return {
        "kind": "stopping",
        "recipe": recipe_text(technique()),
        "without": _curves(problem, without),
        "stops": stops,
    }


def _trained(problem: Setup, recipe: Technique | str, seed: int) -> Run:
    metric = problem.measured.replace(" ", "_") if problem.measured != "loss" else "auto"
    training = Training.of(problem.training.values() | {"metric": metric})
    return fit(problem.model(seed), problem.split, recipe, training, seed=seed, progress=False)


def _column(problem: Setup, part: str) -> str:
    return f"{part}_{problem.measured.replace(' ', '_')}"


def _kept(problem: Setup, part: str, runs: list[Run]) -> list[float | None]:
    """One number per seed: the loss or score of the kept weights."""
    return [_rounded(run.row[_column(problem, part)]) for run in runs]


def _curves(problem: Setup, runs: list[Run]) -> dict[str, list[list[float | None]]]:
    """Part → seed → epoch."""
    parts = ("train", "stop")
    return {part: [[_rounded(v) for v in run.history[_column(problem, part)]] for run in runs] for part in parts}


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
