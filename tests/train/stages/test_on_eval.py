"""The OnEval stage: averages by hand, resets, batch norm statistics, and a recipe with two averages."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.errors import InputError
from goodfit.models.ensemble import EnsembleModel
from goodfit.stages import Clock
from goodfit.techniques import EMA, SWA, Lookahead, SnapshotEnsemble
from goodfit.train.stages.on_eval import AveragingStep, WeightAverager, average, single_averaging


def test_what_a_technique_does_in_a_step() -> None:
    lookahead = Lookahead(k=2, step_size=0.5)
    assert AveragingStep.of(None, Clock(1, 4, 8)) == AveragingStep(updates=False, resets=False)
    assert AveragingStep.of(EMA(0.5), Clock(1, 4, 8)) == AveragingStep(updates=True, resets=False)
    assert AveragingStep.of(SWA(0.5), Clock(1, 4, 8)).updates is False
    assert [AveragingStep.of(lookahead, Clock(step, 4, 8)).resets for step in (1, 2, 3, 4)] == [
        False,
        True,
        False,
        True,
    ]


def test_an_average_by_hand() -> None:
    ema, clock = EMA(1.0), Clock(1, per_epoch=1, total=4)  # half-life of one step
    state = ema.start([torch.tensor([4.0])])
    state, restart = average(ema, state, [torch.tensor([0.0])], clock, AveragingStep())
    assert restart is None
    assert ema.weights(state)[0].tolist() == [2.0]
    unchanged, _ = average(ema, state, [torch.tensor([8.0])], clock, AveragingStep(updates=False))
    assert ema.weights(unchanged)[0].tolist() == [2.0]


def test_a_reset_continues_training_from_the_averaged_weights() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    averager = WeightAverager.of(model, [Lookahead(k=2, step_size=0.5)], "regression")
    assert averager is not None
    weights = []
    for step in range(1, 5):
        with torch.no_grad():
            model.weight.add_(1.0)
        averager.update(Clock(step, 2, 4))
        weights.append(float(model.weight.detach()))
    assert weights == [1.0, 1.0, 2.0, 2.0]  # 2 → 0 + 0.5 · 2, then 3 → 1 + 0.5 · 2


def test_the_network_to_evaluate_has_recomputed_batch_norm_statistics() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        model[0].weight.fill_(2.0)
    averager = WeightAverager.of(model, [EMA(1.0)], "regression")
    assert averager is not None
    x = torch.tensor([[1.0], [3.0]])
    network = averager.network(x)
    assert network is not model
    assert network[1].running_mean.tolist() == [4.0]
    assert network[1].running_var.tolist() == [8.0]
    with pytest.raises(InputError, match=r"EMA: batch norm statistics must be recomputed .*; give the training rows"):
        averager.network(None)


def test_an_ensemble_is_a_network_of_its_members() -> None:
    model = nn.Linear(1, 1, bias=False)
    averager = WeightAverager.of(model, [SnapshotEnsemble(2)], "regression")
    assert averager is not None
    for step, weight in ((1, 2.0), (2, 6.0)):
        with torch.no_grad():
            model.weight.fill_(weight)
        averager.update(Clock(step, per_epoch=1, total=2))
    network = averager.network(None)
    assert isinstance(network, EnsembleModel)
    assert network(torch.ones(1, 1)).tolist() == [[4.0]]


def test_the_state_can_be_stored_and_restored() -> None:
    model = nn.Linear(2, 1)
    first, second = (WeightAverager.of(model, [EMA(1.0)], "regression") for _ in range(2))
    assert first is not None
    assert second is not None
    first.state = [torch.full_like(t, 7.0) for t in first.state]
    second.load_state_tensors(first.state_tensors())
    assert all(torch.equal(a, b) for a, b in zip(first.state, second.state, strict=True))


def test_a_recipe_has_one_averaging_technique_at_most() -> None:
    assert single_averaging([]) is None
    with pytest.raises(InputError, match="only one technique may choose the weights to keep, got ema, swa; keep one"):
        single_averaging([EMA(), SWA()])


def test_frozen_batch_norm_keeps_its_statistics() -> None:
    frozen = nn.BatchNorm1d(1).requires_grad_(False)
    model = nn.Sequential(nn.Linear(1, 1, bias=False), frozen, nn.BatchNorm1d(1))
    averager = WeightAverager.of(model, [EMA(1.0)], "regression")
    assert averager is not None
    network = averager.network(torch.tensor([[1.0], [3.0], [8.0]]))
    assert network[1].running_mean.item() == 0  # type: ignore[index]
    assert network[2].running_mean.item() != 0  # type: ignore[index]
    assert network[2].momentum == 0.1  # type: ignore[index]
