"""The scheduler: runs that are trained one by one, and whether in several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.errors import TrainingError
from goodfit.recipe import Recipe
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.population import scheduler
from goodfit.train.population.jobs import Job, Networks, Planner
from goodfit.train.population.scheduler import fit_one_by_one

SHORT = Training(epochs=2, batch_size=16)
DIVERGING = Training(epochs=2, batch_size=16, learning_rate=1e300, optimizer="sgd")


class UserNetwork(nn.Module):
    """A class that a worker process must import."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))  # type: ignore[no-any-return]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of processes of each parallel training."""
    counts: list[int] = []
    parallel = scheduler.Parallel

    def record(n_jobs: int, **options: Any) -> Any:
        counts.append(n_jobs)
        return parallel(n_jobs=n_jobs, **options)

    monkeypatch.setattr(scheduler, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(scheduler, "Parallel", record)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    return counts


def test_processes_give_the_results_of_fit(three_class_split: Split, processes: list[int]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = UserNetwork()
    requested = [("sam", SHORT), ("dropout=0.5", SHORT), ("", DIVERGING), ("snapshot_ensemble", SHORT)]
    planner = Planner(networks := Networks(model, fresh=False), None)
    jobs = [
        planner(three_class_split, Recipe.of(r), t).job(i, 10 + i, three_class_split)
        for i, (r, t) in enumerate(requested)
    ]
    results: Any = dict(fit_one_by_one(networks, jobs, None, processes=2))
    assert processes == [2]
    assert sorted(results) == [0, 1, 2, 3]
    for number in (0, 1, 3):
        run, (recipe, training) = results[number], requested[number]
        other = fit(model, three_class_split, recipe, training, seed=10 + number)
        assert (str(run.recipe), run.seed, run.metadata) == (str(other.recipe), other.seed, other.metadata)
        assert run.last.keys() == other.last.keys()
        assert all(torch.equal(run.last[name], tensor) for name, tensor in other.last.items())
        assert run.history["stop_loss"] == other.history["stop_loss"]
        assert torch.equal(run.outputs(three_class_split.test.x), other.outputs(three_class_split.test.x))
    assert isinstance(results[2], TrainingError)
    with pytest.raises(TrainingError) as solo:
        fit(model, three_class_split, "", DIVERGING, seed=12)
    assert str(results[2]) == str(solo.value)


@pytest.mark.parametrize(("count", "cores"), [(2, 2), (4, 1)])
def test_no_process_is_started_for_one_remaining_run_or_on_one_core(
    count: int, cores: int, three_class_split: Split, processes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "fit_job", lambda networks, job, loss: job.number)
    planner: Callable[..., Any] = Planner(networks := Networks("mlp:4", fresh=False), None)
    jobs: list[Job] = [planner(three_class_split, Recipe(), SHORT).job(i, i, three_class_split) for i in range(count)]
    assert list(fit_one_by_one(networks, jobs, None, cores)) == [(i, i) for i in range(count)]
    assert not processes


def test_no_process_is_started_if_copies_of_the_data_do_not_fit_in_memory(
    three_class_split: Split, processes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(part.x.nbytes for part in three_class_split.parts.values())
    monkeypatch.setattr("goodfit.data.storage.free_memory", lambda: 4 * (2 * size - 1))
    networks = Networks("mlp:4", fresh=False)
    jobs = [
        Planner(networks, None)(three_class_split, Recipe.of(""), SHORT).job(i, i, three_class_split) for i in range(3)
    ]
    assert [number for number, _ in fit_one_by_one(networks, jobs, None, processes=2)] == [0, 1, 2]
    assert processes == []
