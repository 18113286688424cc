"""Studies built from scores, and small real ones."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from goodfit.data import Dataset, TaskSpec, load
from goodfit.recipe import Recipe
from goodfit.study import Study, Trial
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.train.config import Training
from goodfit.train.run import Run

SPEC = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "hand")


@pytest.fixture(scope="session")
def iris() -> Dataset:
    return load("iris")


@pytest.fixture(scope="session")
def quick() -> Training:
    """Settings for two epochs."""
    return Training(epochs=2, learning_rate=0.01)


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """Build a study from the scores of each recipe (None: a failed run), with 100 training and 25 validation rows."""

    def make(scores: Mapping[str, Sequence[float | None]], metric: str = "accuracy", **options: Any) -> Study:
        trials = []
        seeds = max(map(len, scores.values()))
        for text, values in scores.items():
            candidate = Candidate(text or PLAIN, Recipe.of(text))
            for seed, value in enumerate(values):
                run: Any = SimpleNamespace(epochs=0, kept_epoch=0, stopped="") if value is not None else None
                failure = "" if run else "it diverged"
                score = float("nan") if value is None else value
                trials.append(Trial(candidate, seed, score, 0.0, 1.0 + seed, run, None, failure))
        rows = {"train": 100, "stop": 20, "validation": 25, "test": 25}
        settings = {"name": "hand", "spec": SPEC, "metric": metric, "network": "mlp", "training": Training()} | options
        return Study(**settings, seeds=tuple(range(seeds)), rows=rows, trials=trials)

    return make


@pytest.fixture
def replace_fit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, Run], Run]], None]:
    """Replace `fit` by one whose n-th run is passed through `act(n, run)`, which may change it or raise."""
    home = importlib.import_module("goodfit.train.population.scheduler")

    def replace(act: Callable[[int, Run], Run]) -> None:
        real, count = home.fit, iter(range(1000))
        monkeypatch.setattr(home, "fit", lambda *a, **k: act(next(count), real(*a, **k)))

    return replace
