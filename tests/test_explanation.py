"""What acts on which tensor and layer, and why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from goodfit import InputError, explain
from goodfit.explanation import COLUMNS
from goodfit.recipe import Recipe
from goodfit.techniques import L2, MaxNorm

Net = Callable[..., nn.Sequential]


def cells(model: nn.Module, recipe: Recipe | L2 | MaxNorm | str) -> dict[str, tuple[str, str]]:
    """What acts and what does not, by tensor or layer."""
    return {row[0]: (row[3], row[4]) for row in explain(model, recipe).rows()}


def test_a_row_per_layer_and_per_tensor(net: Net) -> None:
    told = explain(net(), "l2=1e-4")
    assert [line.where for line in told.lines] == [
        "0", "2", "4", "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias",
    ]  # fmt: skip
    assert [(line.what, line.shape) for line in told.lines[2:5]] == [
        ("Linear", ""), ("kernel", "8×6"), ("bias", "8"),
    ]  # fmt: skip


def test_penalties_name_their_strength_or_the_selector(net: Net) -> None:
    told = cells(net(), "l2=1e-4, weight_decay(0.1, on='4')")
    assert told["0.weight"] == ("l2=0.0001", "weight_decay: on='4'")
    assert told["4.weight"][0].startswith("l2=0.0001, weight_decay(")
    assert told["4.bias"] == ("–", "l2: on='kernel'; weight_decay: on='4'")


def test_noise_skips_the_networks_own_input(net: Net) -> None:
    told = cells(net(), "dropout=0.25")
    assert told["0"] == ("–", "dropout: its own input (input_rate=0.0)")
    assert told["2"] == ("dropout=0.25 on its input", "")
    both = cells(net(), "dropout(0.25, input_rate=0.1)")
    assert both["0"] == ("dropout=0.1 on its input", "")
    assert both["2"] == ("dropout=0.25 on its input", "")
    assert cells(net(), "dropout(0.25, on='2')")["4"] == ("–", "dropout: on='2'")


def test_normalisation_skips_the_last_layer(net: Net) -> None:
    told = cells(net(), "batch_norm")
    assert told["0"] == ("batch_norm behind it", "")
    assert told["4"] == ("–", "batch_norm: the last layer")


def test_normalisation_skips_layers_without_features() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 4), nn.Linear(4, 2))
    assert cells(model, "batch_norm")["0"] == ("–", "batch_norm: not a linear or convolution layer")


def test_projections_count_weights_and_units(net: Net) -> None:
    told = cells(net(), MaxNorm(2.0))
    assert told["0.weight"][0] == "max_norm=2.0 on the 6 weights into each of 8 units"
    assert told["4.weight"][0] == "max_norm=2.0 on the 8 weights into each of 3 units"
    biases = cells(net(), MaxNorm(2.0, on="kernel bias"))
    assert biases["0.bias"] == ("–", "max_norm: one number per unit has no incoming weights")


def test_frozen_and_unknown_tensors_say_why(net: Net) -> None:
    model = net()
    model[0].weight.requires_grad_(False)
    model.register_parameter("scale", nn.Parameter(model[2].weight.detach().clone()))
    told = cells(model, L2(0.1))
    assert told["0.weight"] == ("–", "l2: frozen")
    assert told["scale"] == ("–", "l2: is not of a known layer; name it in on=")
    assert cells(model, L2(0.1, on="other scale"))["scale"][0].startswith("l2(")


def test_what_acts_on_the_whole_is_told_apart(net: Net) -> None:
    told = explain(net(), "mixup=0.2, clip_grad_norm=1, early_stopping=5, ema=0.5, l2=1e-4")
    assert told.elsewhere == (
        "mixup=0.2 (OnBatch)", "clip_grad_norm=1.0 (OnGrads)", "early_stopping=5 (OnEpoch)", "ema=0.5 (OnEval)",
    )  # fmt: skip
    assert str(told).splitlines()[-1] == "on the whole: ema=0.5 (OnEval)"


def test_plain_acts_on_nothing(net: Net) -> None:
    told = explain(net(), "")
    assert {row[3:] for row in told.rows()} == {("–", "")}
    assert told.elsewhere == ()


def test_as_a_frame(net: Net) -> None:
    told = explain(net(), "l2=1e-4")
    frame = told.frame()
    assert tuple(frame.columns) == COLUMNS
    assert [tuple(row) for row in frame.to_numpy()] == told.rows()
    assert "0.weight" in str(told)


def test_explaining_changes_nothing(net: Net) -> None:
    model = net()
    names = list(model.state_dict())
    explain(model, "batch_norm, dropout=0.5, max_norm=1")
    assert list(model.state_dict()) == names
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize(
    "recipe", ["l2(1e-4, on='4.wieght')", "dropout(0.5, on='4.wieght')", "batch_norm(on='4.wieght')"]
)
def test_a_selector_that_matches_nothing_lists_near_names(net: Net, recipe: str) -> None:
    with pytest.raises(InputError, match=r"on must match .*on='4\.wieght'.* Did you mean .*'4\.weight'"):
        explain(net(), recipe)
