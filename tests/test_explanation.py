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


def test_a_row_per_layer_and_per_tensor(make_net: Net) -> None:
    told = explain(make_net(), "l2=1e-4")
    assert [line.where for line in told.lines] == [
        "0", "2", "4", "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias",
    ]  # fmt: skip
    assert [(line.what, line.shape) for line in told.lines[2:5]] == [
        ("Linear", ""), ("kernel", "8×6"), ("bias", "8"),
    ]  # fmt: skip


def test_penalties_name_their_strength_or_the_selector(make_net: Net) -> None:
    told = cells(make_net(), "l2=1e-4, weight_decay(0.1, on='4')")
    assert told["0.weight"] == ("l2=0.0001", "weight_decay: on='4'")
    assert told["4.weight"][0] == "l2=0.0001, weight_decay=0.1"
    assert told["4.bias"] == ("–", "l2: on='kernel'; weight_decay: on='4'")


def test_noise_skips_the_networks_own_input(make_net: Net) -> None:
    told = cells(make_net(), "dropout=0.25")
    assert told["0"] == ("–", "dropout: the network's own input (input_rate=0.0)")
    assert told["2"] == ("dropout=0.25 on its input", "")
    both = cells(make_net(), "dropout(0.25, input_rate=0.1)")
    assert both["0"] == ("dropout=0.1 on its input", "")
    assert both["2"] == ("dropout=0.25 on its input", "")
    assert cells(make_net(), "dropout(0.25, on='2')")["4"] == ("–", "dropout: on='2'")


def test_normalisation_skips_the_last_layer(make_net: Net) -> None:
    told = cells(make_net(), "batch_norm")
    assert told["0"] == ("batch_norm behind it", "")
    assert told["4"] == ("–", "batch_norm: the last layer")


def test_normalisation_skips_layers_without_features() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 4), nn.Linear(4, 2))
    assert cells(model, "batch_norm")["0"] == ("–", "batch_norm: not a linear or convolution layer")


def test_projections_count_weights_and_units(make_net: Net) -> None:
    told = cells(make_net(), MaxNorm(2.0))
    assert told["0.weight"][0] == "max_norm=2.0 on the 6 weights into each of 8 units"
    assert told["4.weight"][0] == "max_norm=2.0 on the 8 weights into each of 3 units"
    biases = cells(make_net(), MaxNorm(2.0, on="kernel bias"))
    assert biases["0.bias"] == ("–", "max_norm: one number per unit has no incoming weights")


def test_frozen_and_unknown_tensors_say_why(make_net: Net) -> None:
    model = make_net()
    model[0].weight.requires_grad_(False)
    model.register_parameter("scale", nn.Parameter(model[2].weight.detach().clone()))
    told = cells(model, L2(0.1))
    assert told["0.weight"] == ("–", "l2: frozen")
    assert told["scale"] == ("–", "l2: not of a known layer; name it in on=")
    assert cells(model, L2(0.1, on="other scale"))["scale"] == ("l2=0.1", "")


def test_what_acts_on_the_whole_is_told_apart(make_net: Net) -> None:
    told = explain(make_net(), "mixup=0.2, clip_grad_norm=1, early_stopping=5, ema=0.5, l2=1e-4")
    assert told.elsewhere == (
        "mixup=0.2 (OnBatch)", "clip_grad_norm=1.0 (OnGrads)", "early_stopping=5 (OnEpoch)", "ema=0.5 (OnEval)",
    )  # fmt: skip
    assert str(told).splitlines()[-1] == "on the run as a whole: ema=0.5 (OnEval)"


def test_plain_acts_on_nothing(make_net: Net) -> None:
    told = explain(make_net(), "")
    assert {row[3:] for row in told.rows()} == {("–", "")}
    assert told.elsewhere == ()


def test_as_a_frame(make_net: Net) -> None:
    told = explain(make_net(), "l2=1e-4")
    frame = told.frame()
    assert tuple(frame.columns) == COLUMNS
    assert [tuple(row) for row in frame.to_numpy()] == told.rows()
    assert "0.weight" in str(told)


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
    told = cells(model, "spatial_dropout=0.2, dropout(0.5, input_rate=0.2, on='!last'), max_norm=3, l1(1e-4, on=first)")
    assert told["0"][0] == "dropout=0.2 on its input"
    assert told["0"][1] == "spatial_dropout: the network's own input (input_rate=0.0)"
    assert told["3"][0] == "spatial_dropout=0.2 on its input, dropout=0.5 on its input"
    assert told["5"] == ("–", "spatial_dropout: acts on the maps that flow into convolutions; dropout: on='!last'")
    assert told["0.weight"][0] == "max_norm=3.0 on the 9 weights into each of 8 units, l1=0.0001"
    assert told["3.weight"][0] == "max_norm=3.0 on the 72 weights into each of 4 units"
    assert told["1.weight"] == ("–", "max_norm: on='kernel'; l1: on='first'")


def test_recurrent_and_weight_normed_layers() -> None:
    told = cells(Reader(), "variational_dropout=0.3, weight_noise=0.01, l2=1e-4, l1=1e-3, activity_l2=0.5")
    acting = "variational_dropout(rate=0.3, recurrent_rate=0.25) at every time step"
    assert told["lstm"] == (f"activity_l2=0.5 of its input, {acting}", "")
    assert told["words"][1].startswith("activity_l2: the network's own input; variational_dropout: on=")
    assert told["lstm.weight_hh_l0"][0] == "weight_noise=0.01 in each forward pass, l2=0.0001, l1=0.001"
    magnitude = told["head.parametrizations.weight.original0"]
    assert magnitude[0] == "l2=0.0001"
    assert "l1: weight-normed: the layer holds norms, not weights" in magnitude[1]
    direction = told["head.parametrizations.weight.original1"]
    assert direction[0] == "–"
    assert "l2: part of a reparametrised weight" in direction[1]


def test_branches_of_a_transformer() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 2))
    told = cells(model, "drop_path=0.2, weight_decay=0.01")
    rates = [told[f"0.layers.{i}.dropout{j}"][0] for i in (0, 1) for j in (1, 2)]
    assert rates == [f"drop_path={rate} on the branch that ends here" for rate in (0.05, 0.1, 0.15, 0.2)]
    assert told["0.layers.0.self_attn.in_proj_weight"][0] == "weight_decay=0.01"
    assert told["0.layers.0.norm1.weight"] == ("–", "weight_decay: on='kernel'")
