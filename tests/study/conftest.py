"""Small real studies, and fits that are replaced."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from goodfit.data import Dataset, load
from goodfit.study import Protocol, Study
from goodfit.study.candidates import PLAIN
from goodfit.train.config import Training
from goodfit.train.run import Run


@pytest.fixture(scope="session")
def iris() -> Dataset:
    return load("iris")


@pytest.fixture(scope="session")
def quick() -> Training:
    """Settings for two epochs."""
    return Training(epochs=2, learning_rate=0.01)


@pytest.fixture
def replace_fit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, Run], Run]], None]:
    """Replace `fit` by one whose n-th run is passed through `act(n, run)`, which may change it or raise."""
    home = importlib.import_module("goodfit.train.population.scheduler")

    def replace(act: Callable[[int, Run], Run]) -> None:
        real, count = home.fit, iter(range(1000))
        monkeypatch.setattr(home, "fit", lambda *a, **k: act(next(count), real(*a, **k)))

    return replace


@pytest.fixture(scope="session")
def two_folds() -> Protocol:
    """The protocol with the fewest fits that still has several folds."""
    return Protocol(folds=2, repeats=1)


@pytest.fixture
def rows_of() -> Callable[[Study], list[dict[str, Any]]]:
    """The fits of a study as rows without their times."""
    return lambda study: study.fits_frame().drop(columns="seconds").to_dict("records")


@pytest.fixture
def make_row() -> Callable[..., Any]:
    """Build the row of a trial from the metrics of its first folds (None: a failed fit); it is complete at five."""
    from goodfit.study.stored_study import TrialRow

    def make(recipe: str, values: Sequence[float | None], folds: int = 5) -> TrialRow:
        scores = {fold: float("nan") if v is None else v for fold, v in enumerate(values)}
        failures = {fold: "the loss is not finite" for fold, v in enumerate(values) if v is None}
        return TrialRow(f"id of {recipe}", recipe or PLAIN, recipe, scores, failures, len(values) == folds)

    return make


@pytest.fixture
def read_trials() -> Callable[..., list[Any]]:
    """Read the trials of the study `hand` in the storage at a URL."""

    def read(url: str, study: str = "hand") -> list[Any]:
        import optuna

        from goodfit.study.optuna_storage import StorageAddress, open_storage, quiet

        with quiet():
            return optuna.load_study(study_name=study, storage=open_storage(StorageAddress.of(url))).trials

    return read
