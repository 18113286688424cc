"""The program of a population: one step and one evaluation of a member, as functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.train.config import Training
from goodfit.train.population.calls import Calls
from goodfit.train.population.graph import row_of
from goodfit.train.population.population import Population
from goodfit.train.population.program import Program

SGD = Training(epochs=1, batch_size=96, optimizer="sgd", momentum=0.0, learning_rate=0.1)
Make = Callable[..., Population]


def step_of_first_member(population: Population) -> tuple[Any, float]:
    """The state of the first member after a step, and its loss."""
    batch = population.empty_batch(Calls())
    population.join(batch, population.jobs[:1])
    batch.train_epoch()
    return row_of(batch.state, 0), float(batch.losses[0, 0])


def test_a_step_by_hand(make_population: Make, data: Split, make_net: Callable[..., nn.Sequential]) -> None:
    population = make_population(["l2=0.1", "l2=0.2"], SGD)
    state, loss = step_of_first_member(population)
    model = make_net(gain=1.5).double()
    expected = F.cross_entropy(model(data.train.x), data.train.y)
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()))
    for (name, p), weight in zip(model.named_parameters(), state["weights"], strict=True):
        assert p.grad is not None
        penalty = 0.2 * p.detach() if name.endswith("weight") else 0.0
        torch.testing.assert_close(weight, p.detach() - 0.1 * (p.grad + penalty))


@pytest.mark.parametrize(
    ("recipes", "uniform", "uses_clock"),
    [
        (["l2=0.1", "dropout=0.2"], True, False),
        (["sam=0.1", "sam=0.2"], False, True),
        (["ema=0.5", "ema=0.9"], True, True),
        (["swa=0.5", "swa=0.6"], False, True),
        (["lookahead", "lookahead(step_size=0.4)"], False, True),
    ],
)
def test_whether_all_steps_are_alike(
    recipes: list[str], uniform: bool, uses_clock: bool, make_population: Make
) -> None:
    program = make_population(recipes, SGD).program
    assert (program.uniform, program.uses_clock) == (uniform, uses_clock)


def test_a_network_whose_evaluation_mixes_rows_is_recognized(make_population: Make) -> None:
    for layer, mixes in ((nn.BatchNorm1d(6), False), (nn.BatchNorm1d(6, track_running_stats=False), True)):
        model = nn.Sequential(layer, nn.Linear(6, 3)).double()
        assert make_population(["l2=0.1", "l2=0.2"], SGD, model=model).program.mixes_rows == mixes


def test_running_statistics_of_a_member_are_those_of_its_pass(make_population: Make, data: Split) -> None:
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)).double()
    state, _ = step_of_first_member(make_population(["sam=0.1", "sam=0.2"], SGD, model=model))
    torch.testing.assert_close(state["buffers"]["0.running_mean"], 0.1 * data.train.x.mean(0))
    assert int(state["buffers"]["0.num_batches_tracked"]) == 1


def test_frozen_parameters_are_not_part_of_the_state(
    make_population: Make, make_net: Callable[..., nn.Sequential]
) -> None:
    model = make_net().double()
    model[0].requires_grad_(False)
    program = make_population(["l2=0.1", "l2=0.2"], SGD, model=model).program
    assert program.names == ["2.weight", "2.bias", "4.weight", "4.bias"]
    assert list(program.frozen) == ["0.weight", "0.bias"]


def test_evaluation_without_noise_and_loading_into_a_copy(make_population: Make, data: Split) -> None:
    population = make_population(["dropout=0.5", "dropout=0.2"], SGD)
    program: Program = population.program
    state = program.start(population.members[0].techniques)
    weights = [w + 0.1 for w in program.weights_to_keep(state)]
    x, y = data.stop.x, data.stop.y
    with torch.no_grad():
        outputs, losses = program.outputs(weights, state["buffers"], x, y)
    network = population.empty_network
    program.load_into(network, weights, state["buffers"])
    torch.testing.assert_close(outputs, network.eval()(x))
    torch.testing.assert_close(losses, F.cross_entropy(outputs, y, reduction="none"))
    torch.testing.assert_close(network[0].weight, weights[0])
