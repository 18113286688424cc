"""Runs by themselves, in processes side by side."""

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
FAR = Training(epochs=2, batch_size=16, learning_rate=1e300, optimizer="sgd")


class Own(nn.Module):
    """A class of the user's, which a process must find again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))  # type: ignore[no-any-return]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many processes were started, each time."""
    seen: list[int] = []
    parallel = scheduler.Parallel

    def note(n_jobs: int, **options: Any) -> Any:
        seen.append(n_jobs)
        return parallel(n_jobs=n_jobs, **options)

    monkeypatch.setattr(scheduler, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(scheduler, "Parallel", note)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    return seen


def test_processes_give_what_fit_does(three_class_split: Split, processes: list[int]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Own()
    asked = [("sam", SHORT), ("dropout=0.5", SHORT), ("", FAR), ("snapshot_ensemble", SHORT)]
    checker = Planner(networks := Networks(model, fresh=False), None)
    jobs = [
        checker(three_class_split, Recipe.of(r), t).job(i, 10 + i, three_class_split) for i, (r, t) in enumerate(asked)
    ]
    found: Any = dict(fit_one_by_one(networks, jobs, None, processes=2))
    assert processes == [2]
    assert sorted(found) == [0, 1, 2, 3]
    for number in (0, 1, 3):
        run, (recipe, training) = found[number], asked[number]
        other = fit(model, three_class_split, recipe, training, seed=10 + number)
        assert (str(run.recipe), run.seed, run.metadata) == (str(other.recipe), other.seed, other.metadata)
        assert run.last.keys() == other.last.keys()
        assert all(torch.equal(run.last[name], tensor) for name, tensor in other.last.items())
        assert run.history["stop_loss"] == other.history["stop_loss"]
        assert torch.equal(run.outputs(three_class_split.test.x), other.outputs(three_class_split.test.x))
    assert isinstance(found[2], TrainingError)
    with pytest.raises(TrainingError) as alone:
        fit(model, three_class_split, "", FAR, seed=12)
    assert str(found[2]) == str(alone.value)


@pytest.mark.parametrize(("count", "cores"), [(2, 2), (4, 1)])
def test_no_process_is_started_for_one_run_or_on_one_core(
    count: int, cores: int, three_class_split: Split, processes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "fit_job", lambda networks, job, loss: job.number)
    checker: Callable[..., Any] = Planner(networks := Networks("mlp:4", fresh=False), None)
    jobs: list[Job] = [checker(three_class_split, Recipe(), SHORT).job(i, i, three_class_split) for i in range(count)]
    assert list(fit_one_by_one(networks, jobs, None, cores)) == [(i, i) for i in range(count)]
    assert not processes


def test_data_of_which_copies_do_not_fit_stay_in_one_process(
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
