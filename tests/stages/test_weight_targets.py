"""The tensors of OnWeights techniques, and the steps in which techniques act on large networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.errors import InputError
from goodfit.stages import Clock, weight_targets
from goodfit.stages.weight_targets import LARGE, Cadence, blocks
from goodfit.techniques import L1, L2, MaxNorm


def acts(interval: int, per_epoch: int, steps: int) -> list[int]:
    """The steps in which a technique with this interval acts."""
    cadence = Cadence(interval)
    return [step for step in range(1, steps + 1) if cadence.advance(0.1, Clock(step, per_epoch, steps))]


def test_a_cadence_acts_every_n_steps_and_at_the_end_of_each_epoch() -> None:
    assert acts(1, 5, 6) == [1, 2, 3, 4, 5, 6]
    assert acts(2, 5, 10) == [2, 4, 5, 7, 9, 10]
    assert acts(4, 3, 9) == [3, 6, 9]


def test_a_cadence_returns_the_learning_rates_of_all_steps_since_it_last_acted() -> None:
    cadence, rates = Cadence(3), []
    for step in range(1, 6):
        rates += cadence.advance(float(step), Clock(step, per_epoch=5, total=5))
    assert rates == [1, 2, 3, 4, 5]


def test_the_interval_depends_on_size_and_optimizer() -> None:
    size = int(LARGE**0.5) + 1
    for model, large in ((nn.Linear(size, size), True), (nn.Linear(10, 10), False)):
        l1, max_norm = weight_targets.weight_targets(model, [L1(0.1), MaxNorm(1.0)])
        assert l1.with_interval(adaptive=True).interval == (L1.every if large else 1)
        assert l1.with_interval(adaptive=False).interval == 1  # a proximal step with one step size is cheap
        assert max_norm.with_interval(adaptive=False).interval == (MaxNorm.every if large else 1)


def test_targets_are_the_selected_tensors_that_a_technique_can_change() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].weight.requires_grad_(False)
    (kernels, biases) = weight_targets.weight_targets(model, [L2(0.1), L2(0.1, on="bias")])
    assert [ref.name for ref in kernels.refs] == ["1.weight"]
    assert [ref.name for ref in biases.refs] == ["0.bias", "1.bias"]
    assert (kernels.number, biases.number) == (0, 1)
    with pytest.raises(InputError, match=r"MaxNorm: on must choose a tensor that it can act on, got on='0.weight'"):
        weight_targets.weight_targets(model, [MaxNorm(1.0, on="0.weight")])


def test_a_target_is_restricted_to_the_tensors_of_an_optimizer() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    (target,) = weight_targets.weight_targets(model, [L2(0.1)])
    assert [ref.name for ref in target.restricted({id(model[1].weight)}).refs] == ["1.weight"]
    with pytest.raises(InputError, match=r"L2: the optimizer must hold a tensor .*, found none of 0.weight, 1.weight"):
        target.restricted(set())


def test_blocks_have_one_row_per_unit() -> None:
    model = nn.LSTM(2, 3)
    (target,) = weight_targets.weight_targets(model, [MaxNorm(1.0, on="weight_ih_l0")])
    gates = blocks(target.technique, target.refs[0])
    assert [tuple(gate.shape) for gate in gates] == [(3, 2)] * 4
    ones = blocks(target.technique, target.refs[0], torch.ones(12, 2))
    assert all(bool((gate == 1).all()) for gate in ones)
