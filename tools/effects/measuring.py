"""A technique's effect in numbers: trained with and without it, at several strengths, from several seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from effects.homes import Home, home
from goodfit.pages import recipe_text
from goodfit.stages import OnEpoch
from goodfit.technique import Knob, Technique, Value
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

SEEDS = 3
STRENGTHS = 5

Numbers = dict[str, Any]
"""What a figure is drawn from: plain JSON data."""


def measure(technique: type[Technique]) -> Numbers:
    """The numbers of one technique's figure."""
    place, knob = home(technique), technique.knobs().get(technique.main_knob() or "")
    facts = {"technique": technique.name(), "trained": place.words, "measured": place.measured, "seeds": SEEDS}
    without = [_trained(place, "", seed) for seed in range(SEEDS)]
    if issubclass(technique, OnEpoch):
        return facts | _stopping(place, technique, without)
    if knob is None or isinstance(knob.default, bool | str):
        runs = [_trained(place, technique(), seed) for seed in range(SEEDS)]
        kept = {"recipe": recipe_text(technique()), "with": _curves(place, runs), "without": _curves(place, without)}
        return facts | {"kind": "presence"} | kept
    return facts | _strengths(place, technique, without)


def grid(knob: Knob) -> list[Value]:
    """Values over the search range, both ends among them.

    >>> from goodfit.techniques import L2
    >>> grid(L2.knobs()["l2"])
    [1e-06, 1.8e-05, 0.00032, 0.0056, 0.1]
    """
    low, high = (float(end) for end in knob.search)
    even = np.geomspace(low, high, STRENGTHS) if knob.log else np.linspace(low, high, STRENGTHS)
    if isinstance(knob.default, int):
        return sorted({round(value) for value in even})
    return [low, *(float(f"{value:.2g}") for value in even[1:-1]), high]


def _strengths(place: Home, technique: type[Technique], without: list[Run]) -> Numbers:
    name = str(technique.main_knob())
    values = grid(technique.knobs()[name])
    recipes = [technique.of({name: value}) for value in values]
    runs = [[_trained(place, recipe, seed) for seed in range(SEEDS)] for recipe in recipes]
    columns = {part: [_kept(place, part, row) for row in runs] for part in ("train", "stop")}
    plain = {part: _kept(place, part, without) for part in ("train", "stop")}
    texts = [recipe_text(recipe) for recipe in recipes]
    return {"kind": "strength", "knob": name, "values": values, "recipes": texts, **columns, "without": plain}


def _stopping(place: Home, technique: type[Technique], without: list[Run]) -> Numbers:
    runs = [_trained(place, technique(), seed) for seed in range(SEEDS)]
    stops = [{"epochs": r.epochs, "kept": r.kept_epoch, "stopped": bool(r.stopped)} for r in runs]
    return {"kind": "stopping", "recipe": recipe_text(technique()), "without": _curves(place, without), "stops": stops}


def _trained(place: Home, recipe: Technique | str, seed: int) -> Run:
    metric = place.measured.replace(" ", "_") if place.measured != "loss" else "auto"
    training = Training.of(place.training.values() | {"metric": metric})
    return fit(place.model(seed), place.split, recipe, training, seed=seed, progress=False)


def _column(place: Home, part: str) -> str:
    return f"{part}_{place.measured.replace(' ', '_')}"


def _kept(place: Home, part: str, runs: list[Run]) -> list[float | None]:
    """One number per seed: the kept weights' loss or score."""
    return [_rounded(run.row[_column(place, part)]) for run in runs]


def _curves(place: Home, runs: list[Run]) -> dict[str, list[list[float | None]]]:
    """Part → seed → epoch."""
    parts = ("train", "stop")
    return {part: [[_rounded(v) for v in run.history[_column(place, part)]] for run in runs] for part in parts}


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
