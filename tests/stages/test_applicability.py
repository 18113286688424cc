"""Where techniques act, and the reasons why they do not act elsewhere."""

from __future__ import annotations

import pytest
from torch import nn

from goodfit import surgery
from goodfit.stages import OnWeights, inapplicable_reason, is_neutral, noise_by_layer
from goodfit.techniques import L1, L2, Dropout, GroupLasso, MaxNorm, SpatialDropout, WeightDecay


def reasons(technique: OnWeights, model: nn.Module, on: str) -> dict[str, str]:
    return {ref.name: inapplicable_reason(technique, ref) for ref in surgery.select(model, on, "test")}


def test_frozen_tensors_and_tensors_without_incoming_weights() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    model[0].weight.requires_grad_(False)
    vector = "one number per unit has no incoming weights"
    assert reasons(L2(), model, "kernel") == {"0.weight": "frozen", "1.weight": ""}
    assert reasons(L2(), model, "bias") == {"0.bias": "", "1.bias": ""}
    assert reasons(MaxNorm(1.0), model, "bias") == {"0.bias": vector, "1.bias": vector}


@pytest.mark.parametrize("technique", [L2(), WeightDecay(), MaxNorm(1.0)])
def test_techniques_that_scale_weights_act_on_norms(technique: OnWeights) -> None:
    model = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    assert set(reasons(technique, model, "kernel").values()) == {""}


@pytest.mark.parametrize("technique", [L1(), GroupLasso()])
def test_techniques_that_need_the_weights_do_not_act_on_norms(technique: OnWeights) -> None:
    model = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    assert set(reasons(technique, model, "kernel").values()) == {"weight-normed: the layer holds norms, not weights"}


def test_noise_acts_where_it_has_a_strength() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    layers = surgery.layers(model, "kernel")

    def strengths(technique: Dropout | SpatialDropout) -> dict[str, float]:
        return {layer.name: noise.rate for layer, noise in noise_by_layer(technique, layers)}

    assert strengths(Dropout(0.5)) == {"1": 0.5, "3": 0.5}  # input_rate is 0
    assert strengths(Dropout(0.5, input_rate=0.1)) == {"0": 0.1, "1": 0.5, "3": 0.5}
    assert strengths(SpatialDropout(0.5)) == {"1": 0.5}  # convolutions only


@pytest.mark.parametrize(("dim", "axis", "acts"), [(0, -1, True), (1, -1, False), (0, 0, False), (1, 0, False)])
def test_constraints_on_weight_normed_layers(dim: int, axis: int, acts: bool) -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2), dim=dim)
    (norms,) = (ref for ref in surgery.weight_refs(layer) if ref.role == surgery.MAGNITUDE)
    reason = "" if acts else "weight-normed: the layer does not hold the norms that it bounds"
    assert inapplicable_reason(MaxNorm(axis=axis), norms) == reason
    assert inapplicable_reason(L2(), norms) == ""


def test_neutral_at_one_layer() -> None:
    assert is_neutral(Dropout(0.0, input_rate=0.5))
    assert not is_neutral(Dropout(0.5))
