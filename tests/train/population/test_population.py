"""The size of a population, and the measurements that decide whether it is faster than solo runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.train.config import Training
from goodfit.train.population import population as module
from goodfit.train.population.population import (
    CACHED_WEIGHTS,
    MAX_MEMBERS,
    CannotStackError,
    Population,
    arithmetic_seconds,
    max_members,
    median_seconds,
    operations,
    solo_seconds,
    steps_left,
)

Make = Callable[..., Population]
SETTINGS = Training(epochs=3, batch_size=40)
CPU = torch.device("cpu")


def test_the_number_of_members_is_limited_by_memory_and_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_memory", lambda device: 10**12)
    assert max_members(100, 4, CPU) == MAX_MEMBERS
    assert max_members(CACHED_WEIGHTS // 10, 4, CPU) == 10
    assert max_members(CACHED_WEIGHTS, 4, CPU) == 4  # more than the cache: few members
    monkeypatch.setattr(module, "free_memory", lambda device: 4 * 24 * 1000 * 6)
    assert max_members(1000, 4, CPU) == 6  # a quarter of the free memory, 24 bytes per weight
    assert max_members(1000, 8, CPU) == 3
    assert max_members(1000, 4, CPU, workers=3) == 2
    assert max_members(10**9, 4, CPU) == 1


def test_operations_of_a_network_that_torch_cannot_count_are_estimated_from_its_weights() -> None:
    class Unusual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 4))

        def forward(self, x: Tensor) -> Tensor:
            return (x[:, None] * self.weight).sum(2)

    assert operations(Unusual(), torch.ones(5, 4)) == 2 * 5 * 12
    assert operations(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.ones(5, 4)) == 2 * 5 * (12 + 6)


def test_the_first_call_is_not_part_of_the_median() -> None:
    calls: list[int] = []
    assert median_seconds(lambda: calls.append(1), repeats=4) >= 0
    assert len(calls) == 4


def test_steps_left(make_population: Make, data: object) -> None:
    population = make_population(["", "l2=0.1"], SETTINGS)
    job = population.jobs[0]
    assert steps_left(SETTINGS, job.split) == 3 * 3
    assert steps_left(SETTINGS, job.split, epochs=2) == 3
    population.members_at_once = 2
    assert population.expected_steps([], population.jobs) == 9
    assert population.expected_steps([population.members[0]], []) == 9 // 2


def test_measurements_do_not_change_the_global_generator(make_population: Make) -> None:
    population = make_population(["dropout=0.5", "dropout=0.2"], SETTINGS)
    state = torch.get_rng_state()
    for measure in (solo_seconds, arithmetic_seconds):
        assert measure(population.networks, population.jobs[0]) > 0
    assert torch.equal(torch.get_rng_state(), state)


def test_a_forced_population_is_trained_however_slow_it_is(
    make_population: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "median_seconds", lambda call, repeats=3: (call(), 1e9)[1])
    population = make_population(["", "l2=0.1"], SETTINGS)
    monkeypatch.setattr(population.calls, "worth_compiling", lambda seconds: False)
    assert population.prepare(forced=True)
    monkeypatch.setattr(Population, "_time_limit", lambda population: 1.0)
    assert not population.prepare(forced=False)


def test_a_layer_that_cannot_be_stacked_is_named(make_population: Make) -> None:
    class ValueDependent(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.mean() > 0 else -x

    model = nn.Sequential(nn.Linear(6, 4), ValueDependent(), nn.Linear(4, 3)).double()
    population = make_population(["", "l2=0.1"], SETTINGS, model=model)
    with pytest.raises(CannotStackError, match=r"it cannot be stacked at layer '1' \(ValueDependent\): "):
        population.try_step()
    assert population.program.context.requests is None
    assert not any(m._forward_pre_hooks for m in model.modules())
