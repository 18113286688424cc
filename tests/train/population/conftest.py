"""Fixtures that compare the runs of a population with the same runs trained alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.population import scheduler
from goodfit.train.population.grouping import group
from goodfit.train.population.jobs import Networks, Planner
from goodfit.train.population.population import Population
from goodfit.train.run import Run


@pytest.fixture
def data(three_class_split: Split, to_double: Callable[[Split], Split]) -> Split:
    """Three noisy classes in double precision; 96 training rows of 6 features."""
    return to_double(three_class_split)


@pytest.fixture
def train_alone() -> Callable[..., list[Run]]:
    """The function that trains the runs of `fit_many` one by one with `fit`."""

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
def assert_equal() -> Callable[..., None]:
    """The function that asserts that runs are equal up to a tolerance, apart from the seconds.

    The tolerance is relative for numbers above 1.
    """

    def check(runs: Sequence[Run], others: Sequence[Run], tolerance: float = 1e-10) -> None:
        for run, other in zip(runs, others, strict=True):
            assert isinstance(run, Run), run
            different = {name: d for name, d in distances(run, other).items() if not d <= tolerance}
            assert not different, f"{run.recipe}, seed {run.seed}: {different}"

    return check


def distances(run: Run, other: Run) -> dict[str, float]:
    """The largest difference between two runs in each set of weights and each column of the History."""
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
    differences = {}
    for name, (tensors, expected) in weights.items():
        assert list(tensors) == list(expected)
        differences[name] = max(distance(tensor, expected[key]) for key, tensor in tensors.items())
    columns = [column for column in run.history.columns if column != "seconds"]
    return differences | {
        c: distance(*(torch.tensor(r.history[c], dtype=torch.float64) for r in (run, other))) for c in columns
    }


def distance(a: Tensor, b: Tensor) -> float:
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert torch.equal(a.isfinite(), b.isfinite())
    a, b = a.double().nan_to_num(), b.double().nan_to_num()
    return float(((a - b).abs() / b.abs().clamp(min=1)).max())


@pytest.fixture
def solo_runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The recipes and seeds of the runs that `fit_many` trains alone."""
    runs: list[tuple[str, int]] = []
    fit_job = scheduler.fit_job

    def record(networks: Any, job: Any, loss: Any) -> Any:
        runs.append((job.plan.recipe.text(), job.seed))
        return fit_job(networks, job, loss)

    monkeypatch.setattr(scheduler, "fit_job", record)
    return runs


@pytest.fixture
def make_population(data: Split, make_net: Callable[..., nn.Sequential]) -> Callable[..., Population]:
    """The function that builds a population of recipes, one run for each recipe and seed, without training it."""

    def make(
        recipes: Sequence[str],
        training: Training | Sequence[Training],
        splits: Mapping[int, Split] | None = None,
        model: nn.Module | None = None,
    ) -> Population:
        trainings = [training] * len(recipes) if isinstance(training, Training) else training
        networks = Networks(model or make_net(gain=1.5).double(), fresh=False)
        planner, splits = Planner(networks, None), splits or {0: data}
        pairs = [(seed, recipe, t) for recipe, t in zip(recipes, trainings, strict=True) for seed in splits]
        jobs = [
            planner(splits[seed], Recipe.of(recipe), t).job(number, seed, splits[seed])
            for number, (seed, recipe, t) in enumerate(pairs)
        ]
        ((structure, _),) = group([(job.key, job.plan.recipe) for job in jobs])
        return Population(networks, structure, jobs)

    return make
