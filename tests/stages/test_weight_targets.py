"""The tensors on which OnWeights techniques act, and how often they act."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.errors import InputError
from goodfit.stages import Clock, OnWeights
from goodfit.stages.weight_targets import LARGE, Cadence, WeightTarget, blocks, weight_targets
from goodfit.techniques import L1, L2, MaxNorm


def names(target: WeightTarget) -> list[str]:
    return [ref.name for ref in target.refs]


def only_target(model: nn.Module, technique: OnWeights) -> WeightTarget:
    (target,) = weight_targets(model, [technique])
    return target


def test_each_technique_has_the_tensors_that_it_selects() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    targets = weight_targets(model, [L2(), L1(on="bias"), MaxNorm(1.0, on="0.weight")])
    assert [(target.number, names(target)) for target in targets] == [
        (0, ["0.weight", "1.weight"]),
        (1, ["0.bias", "1.bias"]),
        (2, ["0.weight"]),
    ]


def test_frozen_tensors_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].weight.requires_grad_(False)
    assert names(only_target(model, L2())) == ["1.weight"]


def test_a_technique_without_a_usable_tensor_is_refused_with_the_reasons() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    with pytest.raises(InputError) as error:
        weight_targets(model, [MaxNorm(1.0, on="bias")])
    assert str(error.value) == (
        "MaxNorm: on must choose a tensor that it can act on, got on='bias' (0.bias: frozen; 1.bias: one number per "
        "unit has no incoming weights); choose others."
    )


def test_tensors_that_the_optimizer_does_not_hold_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    target = only_target(model, L2())
    assert names(target.restricted({id(model[1].weight)})) == ["1.weight"]
    with pytest.raises(InputError, match=r"L2: the optimizer must hold a tensor .* found none of 0.weight, 1.weight;"):
        target.restricted({id(model[1].bias)})


def test_only_large_targets_wait_and_only_where_a_step_is_expensive() -> None:
    side = 320
    assert side**2 > LARGE
    large, small = (only_target(nn.Linear(n, n), L1()) for n in (side, 10))
    assert large.with_interval(adaptive=True).interval == L1.every > 1
    assert large.with_interval(adaptive=False).interval == 1  # one step size for all weights
    assert small.with_interval(adaptive=True).interval == 1
    assert only_target(nn.Linear(side, side), L2()).with_interval(adaptive=True).interval == L2.every


def test_a_cadence_acts_every_few_steps_and_at_the_end_of_an_epoch() -> None:
    cadence = Cadence(3)
    rates = [cadence.advance(step / 10, Clock(step, per_epoch=5, total=10)) for step in range(1, 7)]
    assert rates == [[], [], [0.1, 0.2, 0.3], [], [0.4, 0.5], []]
    assert cadence.rates == [0.6]


def test_techniques_receive_units_first_or_the_layer_s_layout() -> None:
    model = nn.ConvTranspose2d(4, 6, 3)
    (ref,) = only_target(model, L2()).refs
    assert [tuple(block.shape) for block in blocks(MaxNorm(1.0), ref)] == [(6, 4, 3, 3)]
    assert [tuple(block.shape) for block in blocks(L2(), ref)] == [(4, 6, 3, 3)]
    other = torch.zeros(4, 6, 3, 3)
    assert blocks(L2(), ref, other)[0] is other
    assert blocks(MaxNorm(1.0), ref, other)[0].data_ptr() == other.data_ptr()


def test_a_dimension_that_a_tensor_lacks() -> None:
    message = "MaxNorm: axis must be at most 1 for weights of 2 dimensions, got axis=2; choose another axis"
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 2))
    with pytest.raises(InputError, match=message):
        weight_targets(net, [MaxNorm(axis=2)])
    assert weight_targets(net, [MaxNorm(axis=2, on="first")])[0].refs[0].name == "0.weight"
