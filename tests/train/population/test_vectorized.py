"""Members in training: row i of every tensor belongs to member i, also after others join and leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from goodfit.train.config import Training
from goodfit.train.population.calls import Calls
from goodfit.train.population.population import Population
from goodfit.train.population.vectorized import MemberBatch

Make = Callable[..., Population]
SETTINGS = Training(epochs=2, batch_size=40, learning_rate=0.01)  # batches of 40, 40 and 16 rows


def batch_of(population: Population, count: int) -> MemberBatch:
    batch = population.empty_batch(Calls())
    population.join(batch, population.jobs[:count])
    return batch


def test_members_join_and_leave(make_population: Make) -> None:
    population = make_population(["", "l2=0.1", "l2=0.2"], SETTINGS)
    batch = batch_of(population, 2)
    batch.train_epoch()
    trained = batch.state["weights"][0].clone()
    population.join(batch, population.jobs[2:])
    assert [member.number for member in batch.members] == [0, 1, 2]
    assert torch.equal(batch.state["weights"][0][:2], trained)
    assert torch.equal(batch.state["weights"][0][2], population.program.parameters[0])
    (finished,) = batch.leave([0])
    assert finished.number == 0
    assert torch.equal(finished.last["weights"][0], trained[0])
    assert [member.number for member in batch.members] == [1, 2]
    assert torch.equal(batch.state["weights"][0][0], trained[1])


def test_an_epoch_takes_all_steps_of_every_member(make_population: Make) -> None:
    batch = batch_of(make_population(["", "l2=0.1"], SETTINGS), 2)
    batch.train_epoch()
    assert batch.losses.shape == (3, 2)
    assert bool((batch.losses > 0).all())
    assert [member.step for member in batch.members] == [3, 3]
    assert torch.equal(batch.losses[0, 0], batch.losses[0, 1])  # the first loss does not depend on the penalty


def test_a_trial_step_changes_nothing(make_population: Make) -> None:
    batch = batch_of(make_population(["dropout=0.5", "dropout=0.2"], SETTINGS), 2)
    before = [w.clone() for w in batch.state["weights"]]
    batch.trial_step(all_sizes=True)
    batch.trial_evaluation()
    assert all(torch.equal(w, old) for w, old in zip(batch.state["weights"], before, strict=True))


def test_members_whose_training_has_ended_leave_with_their_history(make_population: Make) -> None:
    batch = batch_of(make_population(["", "l2=0.1"], [SETTINGS.with_values(epochs=1), SETTINGS]), 2)
    batch.train_epoch()
    (finished,) = batch.end_epoch()
    assert (finished.number, finished.epochs, finished.failure) == (0, 1, "")
    assert finished.tracker["history"]["batch_loss"] == pytest.approx([float(batch.losses[:, 0].mean())])
    assert "penalty_l2" not in finished.tracker["history"]
    (member,) = batch.members
    assert member.tracker.history.rows[0]["penalty_l2"] > 0


def test_a_member_that_diverges_before_an_epoch_to_keep_has_failed(make_population: Make) -> None:
    sgd = {"optimizer": "sgd", "momentum": 0.0}
    trainings = [SETTINGS.with_values(**sgd), SETTINGS.with_values(learning_rate=1e300, **sgd)]
    population = make_population(["", "l2=0.1"], trainings)
    batch = batch_of(population, 2)
    batch.train_epoch()
    (finished,) = batch.end_epoch()
    assert finished.number == 1
    assert finished.failure.startswith("training: the loss became ")
    assert [member.number for member in batch.members] == [0]
