"""Evaluation of a population: in chunks of equal size, with the losses and metrics of a solo run."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split, from_tensors
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.population import population, scheduler
from goodfit.train.population.evaluate import CHUNK

ROWS = {"train": 2 * CHUNK + 37, "stop": CHUNK + 5}


@pytest.fixture(scope="module")
def long_split() -> Split:
    """A regression with more rows than a chunk."""
    generator = torch.Generator().manual_seed(0)

    def part(rows: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(rows, 6, generator=generator, dtype=torch.float64)
        return x, x[:, :1] + 0.1 * x[:, 1:2] ** 2

    return from_tensors(**{name: part(rows) for name, rows in ROWS.items()})


def scalar_loss(output: Tensor, y: Tensor) -> Tensor:
    """A loss that gives one number for all rows."""
    return ((output - y) ** 2).sum().sqrt() / len(y) ** 0.5


def batch_dependent_loss(output: Tensor, y: Tensor) -> Tensor:
    """A loss per row that also depends on the other rows."""
    return ((output - y) ** 2).mean(1) + 0.1 * (output.mean() - y.mean()) ** 2


@pytest.mark.parametrize("loss", [None, scalar_loss, batch_dependent_loss])
@pytest.mark.parametrize("norm", [nn.Identity(), nn.BatchNorm1d(7, track_running_stats=False)])
def test_evaluation_in_chunks_equals_that_of_fit(long_split: Split, norm: nn.Module, loss: Any) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 7), norm, nn.Tanh(), nn.Linear(7, 1)).double()
    training, recipes = Training(epochs=2, batch_size=64, optimizer="sgd", learning_rate=0.05), ["l2=0.01", "l2=0.1"]
    runs: Any = fit_many(model, long_split, recipes, training, loss=loss, population=True)
    for run, recipe in zip(runs, recipes, strict=True):
        other = fit(model, long_split, recipe, training, loss=loss, progress=False)
        for column in ("train_loss", "train_loss_se", "stop_loss", "stop_loss_se", "train_r2", "stop_r2"):
            values, expected = (torch.tensor(r.history[column], dtype=torch.float64) for r in (run, other))
            torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-12, equal_nan=True, msg=column)


def test_a_population_is_not_tried_if_a_solo_step_is_mostly_arithmetic(
    long_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(population, "ARITHMETIC_BOUND", 0.0)
    monkeypatch.setattr(population.Population, "try_step", lambda population: tried.append(1))
    train = partial(fit_many, nn.Linear(6, 1).double(), long_split, ["l2=0.01", "l2=0.1"], Training(epochs=1))
    assert [run.epochs for run in train()] == [1, 1]
    assert not tried
    monkeypatch.setattr(population, "ARITHMETIC_BOUND", 1e9)
    monkeypatch.setattr(scheduler.PopulationTrainer, "train", lambda trainer: iter(()))
    train()
    assert tried
