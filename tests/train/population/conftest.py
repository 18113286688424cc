"""Runs of a population beside the same runs by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.population import scheduler
from goodfit.train.run import Run


@pytest.fixture
def data(three_class_split: Split, to_double: Callable[[Split], Split]) -> Split:
    """Three noisy classes in double precision; 96 training rows of 6 features."""
    return to_double(three_class_split)


@pytest.fixture
def alone() -> Callable[..., list[Run]]:
    """The runs of `fit_many`, one by one."""

    def train(
        model: nn.Module | str, split: Split | Mapping[int, Split], recipes: Sequence[Any],
        training: Training | Sequence[Training], seeds: Sequence[int] = (0, 1),
    ) -> list[Run]:  # fmt: skip
        trainings = [training] * len(recipes) if isinstance(training, Training) else training
        splits = dict.fromkeys(seeds, split) if isinstance(split, Split) else split
        return [
            fit(model, part, recipe, own, seed=seed, progress=False)
            for recipe, own in zip(recipes, trainings, strict=True)
            for seed, part in splits.items()
        ]

    return train


@pytest.fixture
def equal() -> Callable[..., None]:
    """Assert that runs are equal in everything but the seconds, to a tolerance (of numbers over 1: relative)."""

    def check(runs: Sequence[Run], others: Sequence[Run], tolerance: float = 1e-10) -> None:
        for run, other in zip(runs, others, strict=True):
            assert isinstance(run, Run), run
            far = {name: d for name, d in distances(run, other).items() if not d <= tolerance}
            assert not far, f"{run.recipe}, seed {run.seed}: {far}"

    return check


def distances(run: Run, other: Run) -> dict[str, float]:
    """By how much two runs differ at most, in each set of weights and each column of the History."""
    for name in (
        "recipe",
        "seed",
        "epochs",
        "best_epoch",
        "kept",
        "stopped",
        "interrupted",
        "metric",
        "loss",
        "metadata",
    ):
        assert getattr(run, name) == getattr(other, name), name
    assert run.history.columns == other.history.columns
    weights = {"last": (run.last, other.last), "best": (run.best, other.best)}
    weights["model"] = (run.model.state_dict(), other.model.state_dict())
    found = {}
    for name, (mine, theirs) in weights.items():
        assert list(mine) == list(theirs)
        found[name] = max(distance(tensor, theirs[key]) for key, tensor in mine.items())
    columns = [column for column in run.history.columns if column != "seconds"]
    return found | {
        c: distance(*(torch.tensor(r.history[c], dtype=torch.float64) for r in (run, other))) for c in columns
    }


def distance(a: Tensor, b: Tensor) -> float:
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert torch.equal(a.isfinite(), b.isfinite())
    a, b = a.double().nan_to_num(), b.double().nan_to_num()
    return float(((a - b).abs() / b.abs().clamp(min=1)).max())


@pytest.fixture
def apart_runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The recipes and seeds of the runs that `fit_many` trains by themselves."""
    seen: list[tuple[str, int]] = []
    fit_job = scheduler.fit_job

    def note(networks: Any, job: Any, loss: Any) -> Any:
        seen.append((job.plan.recipe.text(), job.seed))
        return fit_job(networks, job, loss)

    monkeypatch.setattr(scheduler, "fit_job", note)
    return seen
