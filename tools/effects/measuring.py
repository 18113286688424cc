"""A technique's effect in numbers: trained with and without it, at several strengths, from several seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from effects.homes import Home, home
from goodfit.stages import OnEpoch
from goodfit.technique import Knob, Technique, Value
from goodfit.train import Run, Training, fit

SEEDS = 3
STRENGTHS = 5

Numbers = dict[str, Any]
"""What a figure is drawn from: plain JSON data."""


def measure(technique: type[Technique]) -> Numbers:
    """The numbers of one technique's figure."""
    place, name = home(technique), technique.main_knob()
    facts = {"trained": place.words, "measured": place.measured, "seeds": SEEDS}
    without = [_trained(place, "", seed) for seed in range(SEEDS)]
    if issubclass(technique, OnEpoch):
        return facts | _stopping(place, technique, without)
    if name is None:
        runs = [_trained(place, technique(), seed) for seed in range(SEEDS)]
        kept = {"recipe": technique().text(), "with": _curves(place, runs), "without": _curves(place, without)}
        return facts | {"kind": "presence"} | kept
    return facts | _strengths(place, technique, name, without)


def grid(knob: Knob) -> list[Value]:
    """Values over the search range, both ends among them.

    >>> from goodfit.techniques import Dropout, L2, SnapshotEnsemble
    >>> grid(Dropout.knobs()["rate"]), grid(SnapshotEnsemble.knobs()["cycles"])
    ([0.0, 0.15, 0.3, 0.45, 0.6], [2, 4, 6, 8, 10])
    >>> grid(L2.knobs()["l2"])
    [1e-06, 1.8e-05, 0.00032, 0.0056, 0.1]
    """
    low, high = (float(end) for end in knob.search)
    even = np.geomspace(low, high, STRENGTHS) if knob.log else np.linspace(low, high, STRENGTHS)
    if isinstance(knob.default, int):
        return sorted({round(value) for value in even})
    return [low, *(float(f"{value:.2g}") for value in even[1:-1]), high]


def _strengths(place: Home, technique: type[Technique], name: str, without: list[Run]) -> Numbers:
    values = grid(technique.knobs()[name])
    recipes = [technique.of({name: value}) for value in values]
    runs = [[_trained(place, recipe, seed) for seed in range(SEEDS)] for recipe in recipes]
    columns = {part: [_kept(place, part, row) for row in runs] for part in ("train", "stop")}
    plain = {part: _kept(place, part, without) for part in ("train", "stop")}
    texts = [recipe.text() for recipe in recipes]
    return {"kind": "strength", "knob": name, "values": values, "recipes": texts, **columns, "without": plain}


def _stopping(place: Home, technique: type[Technique], without: list[Run]) -> Numbers:
    runs = [_trained(place, technique(), seed) for seed in range(SEEDS)]
    stops = [{"epochs": r.epochs, "kept": r.kept_epoch, "stopped": bool(r.stopped)} for r in runs]
    return {"kind": "stopping", "recipe": technique().text(), "without": _curves(place, without), "stops": stops}


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
