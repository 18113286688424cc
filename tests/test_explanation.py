"""Which techniques act on which layers and tensors, and why others do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit import InputError, explain
from goodfit.explanation import COLUMNS
from goodfit.recipe import Recipe
from goodfit.techniques import L2, MaxNorm

Net = Callable[..., nn.Sequential]


def cells(model: nn.Module, recipe: Recipe | L2 | MaxNorm | str) -> dict[str, tuple[str, str]]:
    """What acts and what does not, by tensor or layer."""
    return {row[0]: (row[3], row[4]) for row in explain(model, recipe).rows()}


def test_a_row_per_layer_and_per_tensor(make_net: Net) -> None:
    explanation = explain(make_net(), "l2=1e-4")
    assert [row.where for row in explanation.layers_and_tensors] == [
        "0", "2", "4", "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias",
    ]  # fmt: skip
    assert [(row.kind, row.shape) for row in explanation.layers_and_tensors[2:5]] == [
        ("Linear", ""), ("kernel", "8×6"), ("bias", "8"),
    ]  # fmt: skip


def test_penalties_name_their_strength_or_the_selector(make_net: Net) -> None:
    by_name = cells(make_net(), "l2=1e-4, weight_decay(0.1, on='4')")
    assert by_name["0.weight"] == ("l2=0.0001", "weight_decay: not selected by on='4'")
    assert by_name["4.weight"][0] == "l2=0.0001, weight_decay=0.1"
    assert by_name["4.bias"] == ("–", "l2: not selected by on='kernel'; weight_decay: not selected by on='4'")


def test_noise_skips_the_networks_input(make_net: Net) -> None:
    by_name = cells(make_net(), "dropout=0.25")
    assert by_name["0"] == ("–", "dropout: it reads the network's input (input_rate=0.0)")
    assert by_name["2"] == ("dropout=0.25 on its input", "")
    both = cells(make_net(), "dropout(0.25, input_rate=0.1)")
    assert both["0"] == ("dropout=0.1 on its input", "")
    assert both["2"] == ("dropout=0.25 on its input", "")
    assert cells(make_net(), "dropout(0.25, on='2')")["4"] == ("–", "dropout: not selected by on='2'")


def test_normalization_skips_the_last_layer(make_net: Net) -> None:
    by_name = cells(make_net(), "batch_norm")
    assert by_name["0"] == ("batch_norm on its output", "")
    assert by_name["4"] == ("–", "batch_norm: it is the last layer")


def test_normalization_skips_layers_without_features() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 4), nn.Linear(4, 2))
    assert cells(model, "batch_norm")["0"] == ("–", "batch_norm: not a linear or convolution layer")


def test_projections_count_weights_and_units(make_net: Net) -> None:
    by_name = cells(make_net(), MaxNorm(2.0))
    assert by_name["0.weight"][0] == "max_norm=2.0 on the 6 incoming weights of each of 8 units"
    assert by_name["4.weight"][0] == "max_norm=2.0 on the 8 incoming weights of each of 3 units"
    biases = cells(make_net(), MaxNorm(2.0, on="kernel bias"))
    assert biases["0.bias"] == ("–", "max_norm: one number per unit has no incoming weights")


def test_frozen_and_unknown_tensors_say_why(make_net: Net) -> None:
    model = make_net()
    model[0].weight.requires_grad_(False)
    model.register_parameter("scale", nn.Parameter(model[2].weight.detach().clone()))
    by_name = cells(model, L2(0.1))
    assert by_name["0.weight"] == ("–", "l2: frozen")
    assert by_name["scale"] == ("–", "l2: not a weight of a known layer; name it with on=")
    assert cells(model, L2(0.1, on="other scale"))["scale"] == ("l2=0.1", "")


def test_techniques_on_the_whole_run(make_net: Net) -> None:
    explanation = explain(make_net(), "mixup=0.2, clip_grad_norm=1, early_stopping=5, ema=0.5, l2=1e-4")
    assert explanation.whole_run == (
        "mixup=0.2 (OnBatch)", "clip_grad_norm=1.0 (OnGrads)", "early_stopping=5 (OnEpoch)", "ema=0.5 (OnEval)",
    )  # fmt: skip
    assert str(explanation).splitlines()[-1] == "on the whole run: ema=0.5 (OnEval)"


def test_plain_acts_on_nothing(make_net: Net) -> None:
    explanation = explain(make_net(), "")
    assert {row[3:] for row in explanation.rows()} == {("–", "")}
    assert explanation.whole_run == ()


def test_as_a_frame(make_net: Net) -> None:
    explanation = explain(make_net(), "l2=1e-4")
    frame = explanation.frame()
    assert tuple(frame.columns) == COLUMNS
    assert [tuple(row) for row in frame.to_numpy()] == explanation.rows()
    assert "0.weight" in str(explanation)


def test_explaining_changes_nothing(make_net: Net) -> None:
    model = make_net()
    names = list(model.state_dict())
    explain(model, "batch_norm, dropout=0.5, max_norm=1")
    assert list(model.state_dict()) == names
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize(
    "recipe", ["l2(1e-4, on='4.wieght')", "dropout(0.5, on='4.wieght')", "batch_norm(on='4.wieght')"]
)
def test_a_selector_that_matches_nothing_lists_near_names(make_net: Net, recipe: str) -> None:
    with pytest.raises(InputError, match=r"on must match .*on='4\.wieght'.* Did you mean .*'4\.weight'"):
        explain(make_net(), recipe)


# ---- networks of other kinds ---------------------------------------------------------------------------


class Reader(nn.Module):
    """Words to classes, by an LSTM and a weight-normed layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(16, 2))


def test_convolutions() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 10)
    )
    by_name = cells(
        model, "spatial_dropout=0.2, dropout(0.5, input_rate=0.2, on='!last'), max_norm=3, l1(1e-4, on=first)"
    )
    assert by_name["0"][0] == "dropout=0.2 on its input"
    assert by_name["0"][1] == "spatial_dropout: it reads the network's input (input_rate=0.0)"
    assert by_name["3"][0] == "spatial_dropout=0.2 on its input, dropout=0.5 on its input"
    assert by_name["5"] == (
        "–",
        "spatial_dropout: acts only on feature maps, the inputs of convolutions; dropout: not selected by on='!last'",
    )
    assert by_name["0.weight"][0] == "max_norm=3.0 on the 9 incoming weights of each of 8 units, l1=0.0001"
    assert by_name["3.weight"][0] == "max_norm=3.0 on the 72 incoming weights of each of 4 units"
    assert by_name["1.weight"] == ("–", "max_norm: not selected by on='kernel'; l1: not selected by on='first'")


def test_recurrent_and_weight_normed_layers() -> None:
    by_name = cells(Reader(), "variational_dropout=0.3, weight_noise=0.01, l2=1e-4, l1=1e-3, activity_l2=0.5")
    acting = "variational_dropout(rate=0.3, recurrent_rate=0.25) at every time step"
    assert by_name["lstm"] == (f"activity_l2=0.5 of its input, {acting}", "")
    assert by_name["words"][1].startswith(
        "activity_l2: it reads the network's input; variational_dropout: not selected by on="
    )
    assert by_name["lstm.weight_hh_l0"][0] == "weight_noise=0.01 in each forward pass, l2=0.0001, l1=0.001"
    magnitude = by_name["head.parametrizations.weight.original0"]
    assert magnitude[0] == "l2=0.0001"
    assert "l1: weight-normed: the layer holds norms, not weights" in magnitude[1]
    direction = by_name["head.parametrizations.weight.original1"]
    assert direction[0] == "–"
    assert "l2: component of a parametrized weight" in direction[1]


def test_branches_of_a_transformer() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 2))
    by_name = cells(model, "drop_path=0.2, weight_decay=0.01")
    rates = [by_name[f"0.layers.{i}.dropout{j}"][0] for i in (0, 1) for j in (1, 2)]
    assert rates == [f"drop_path={rate} on the residual branch that ends here" for rate in (0.05, 0.1, 0.15, 0.2)]
    assert by_name["0.layers.0.self_attn.in_proj_weight"][0] == "weight_decay=0.01"
    assert by_name["0.layers.0.norm1.weight"] == ("–", "weight_decay: not selected by on='kernel'")


def test_a_network_with_parameters_of_its_own_only() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

    (row,) = explain(Own(), "l2(0.1, on='other')").rows()
    assert row == ("scale", "other", "3", "l2=0.1", "")
    with pytest.raises(InputError, match="Dropout: on must match"):
        explain(Own(), "dropout")


def test_neutral_strengths_do_not_act() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    neutral = explain(net, "dropout=0.0, l2=0.0, mixup=0.0, max_norm=inf")
    assert neutral.whole_run == ()
    assert all(row[3] == "–" for row in neutral.rows())
    only_input = explain(net, "dropout(0.0, input_rate=0.2)").rows()
    assert [row[3] for row in only_input[:2]] == ["dropout=0.2 on its input", "–"]
    assert only_input[1][4] == "dropout: its strength is neutral here"


def test_norms_along_another_dimension() -> None:
    rows = explain(nn.Linear(4, 8), "max_norm(2.0, axis=0)").rows()
    assert rows[1][3] == "max_norm(max_value=2.0, axis=0) on each of 4 groups of 8 weights along dimension 0"
    with pytest.raises(InputError, match="MaxNorm: axis must be at most 1"):
        explain(nn.Linear(4, 8), "max_norm(2.0, axis=3)")
