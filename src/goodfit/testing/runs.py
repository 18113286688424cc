"""Short training runs for the checks. Runs that several checks need are trained once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from goodfit.data import Split
from goodfit.history import History
from goodfit.stages import OnEpoch
from goodfit.technique import Technique
from goodfit.testing.data import copy_split
from goodfit.testing.setups import setup
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

_observed: dict[type[Technique], tuple[Run, list[str]]] = {}
_baselines: dict[tuple[str, int], Run] = {}
SHORT: dict[str, Any] = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01}


def strongest(technique: type[Technique]) -> Technique:
    """The technique with every strength at the end of its search range that is farthest from neutral."""
    values = {}
    for name, knob in technique.knobs().items():
        if knob.neutral is not None:
            values[name] = max(knob.search, key=_distance_to(knob.neutral), default=knob.default)
    return technique.of(values)


def _distance_to(neutral: Any) -> Callable[[Any], float]:
    """Distance of a value to the neutral one; for bounds and patience, which are neutral at huge values, −value."""
    return lambda value: -value if abs(neutral) > 1e6 else abs(value - neutral)


def train(technique: type[Technique], recipe: Any = "", split: Split | None = None, **options: Any) -> Run:
    """Train the network of a technique's setup for a few epochs.

    Args:
        technique: determines network and data.
        recipe: the techniques to train with; by default none.
        split: data in place of those of the setup.
        options: `model`, `seed`, `checkpoints`, and knobs of `Training`.
    """
    place = setup(technique)
    model = options.pop("model", None)
    fit_options = {name: options.pop(name) for name in ("seed", "checkpoints") if name in options}
    training = Training.of(SHORT | options)
    return fit(model or place.model(), split or place.split, recipe, training, **fit_options)


def strongest_run(technique: type[Technique]) -> Run:
    """The network of a technique's setup, trained with `strongest(technique)`."""
    return observed_run(technique)[0]


def observed_run(technique: type[Technique]) -> tuple[Run, list[str]]:
    """`strongest_run`, and the names of the parts of the data that training wrote into."""
    if technique not in _observed:
        _observed.clear()  # the checks of one technique come one after another
        _observed[technique] = _train_and_observe(technique)
    return _observed[technique]


def _train_and_observe(technique: type[Technique]) -> tuple[Run, list[str]]:
    split = setup(technique).split
    copy = copy_split(split)
    run = train(technique, strongest(technique), copy)
    pairs = {name: (part, split.parts[name]) for name, part in copy.parts.items()}
    changed = [name for name, (a, b) in pairs.items() if not (torch.equal(a.x, b.x) and torch.equal(a.y, b.y))]
    return run, changed


def baseline_run(technique: type[Technique]) -> Run:
    """The network of a technique's setup, trained without any technique. Techniques with the same setup share it."""
    place = setup(technique)
    key = (repr(place.build), id(place.split))
    if key not in _baselines:
        _baselines[key] = train(technique)
    return _baselines[key]


def training_options(technique: type[Technique]) -> dict[str, Any]:
    """Options with which every knob of the technique has an effect."""
    # The stop loss must rise in the end, so that techniques which stop training do so.
    return {"epochs": 12, "learning_rate": 0.1} if issubclass(technique, OnEpoch) else {}


def assert_same_bits(a: Run, b: Run, message: str) -> None:
    """Assert that two runs are equal in every weight and every number but the seconds."""
    for first, second in ((a.last, b.last), (a.best, b.best), (a.model.state_dict(), b.model.state_dict())):
        assert first.keys() == second.keys(), f"{message}: one run has weights that the other one lacks"
        different = [name for name in first if not torch.equal(first[name], second[name])]
        assert not different, f"{message}: weights differ in {', '.join(different)}"
    assert _numbers(a.history) == _numbers(b.history), f"{message}: the histories differ"
    ends = [(run.best_epoch, run.kept, run.stopped) for run in (a, b)]
    assert ends[0] == ends[1], f"{message}: best epoch, kept weights or reason to stop differ, {ends[0]} and {ends[1]}"


def _numbers(history: History) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]
