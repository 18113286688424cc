from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.linter import LintMessage, dropout

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


class Custom(nn.Module):
    """A module whose order of registration differs from the order of use."""

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        self.first, self.drop, self.norm = nn.Linear(20, 32), nn.Dropout(p), nn.BatchNorm1d(32)
        self.last = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(F.relu(self.norm(self.first(x)))))


def network(*modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 32), *modules, nn.Linear(32, 3))


# ---- before a batch norm ---------------------------------------------------------------------


def test_before_batch_norm_fires(one: One, normed: nn.Sequential) -> None:
    # dropout acts on the inputs of layers 3 and 6; only layer 3 is followed by a batch norm
    message = one(dropout.before_batch_norm, "dropout=0.25", normed)
    assert (message.severity, message.techniques, message.where) == ("warning", ("dropout",), ("3",))
    assert one(dropout.before_batch_norm, "dropout=0.25, batch_norm").techniques == ("dropout", "batch_norm")
    assert one(dropout.before_batch_norm, "dropout=0.25, batch_norm").where == ("2",)
    assert one(dropout.before_batch_norm, "gaussian_dropout=0.25, ghost_batch_norm").where == ("2",)
    assert one(dropout.before_batch_norm, "dropout(0.0, input_rate=0.2)", normed).where == ("0",)
    assert one(dropout.before_batch_norm, "", network(nn.Dropout(0.5), nn.BatchNorm1d(32))).where == ("1",)


def test_before_batch_norm_outside_a_sequential_is_a_note(one: One) -> None:
    assert one(dropout.before_batch_norm, "", Custom(0.5)).severity == "note"


def test_before_batch_norm_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    for recipe, model in (
        ("dropout(0.25, on=last)", normed),
        ("dropout=0.25", None),
        ("dropout=0.25, layer_norm", None),
        ("drop_block=0.2", normed),
        ("gaussian_noise=0.1", normed),
        ("", network(nn.BatchNorm1d(32), nn.Dropout(0.5))),
        ("", network(nn.Dropout(0.0), nn.BatchNorm1d(32))),
        ("", network(nn.Dropout(0.5), nn.BatchNorm1d(32).requires_grad_(False))),  # frozen: uses running statistics
        ("", network(nn.Dropout(0.5), nn.LayerNorm(32), nn.Linear(32, 32), nn.BatchNorm1d(32))),
        ("", network(nn.Dropout(0.5), nn.Linear(32, 32), nn.Linear(32, 32), nn.BatchNorm1d(32))),
    ):
        assert ask(dropout.before_batch_norm, recipe, model) == []


# ---- several dropouts -----------------------------------------------------------------------


def test_two_dropouts_fires(one: One) -> None:
    message = one(dropout.two_dropouts, "dropout=0.25, gaussian_dropout=0.1")
    assert (message.severity, message.techniques) == ("warning", ("dropout", "gaussian_dropout"))
    assert message.where == ("2", "4")
    assert one(dropout.two_dropouts, "dropout=0.25", network(nn.ReLU(), nn.Dropout(0.5))).where == ("3",)


def test_two_dropouts_is_silent(ask: Ask) -> None:
    assert ask(dropout.two_dropouts, "dropout=0.25") == []
    assert ask(dropout.two_dropouts, "dropout(0.25, on=last), gaussian_dropout(0.1, on='kernel 2')") == []
    assert ask(dropout.two_dropouts, "dropout=0.25", network(nn.ReLU(), nn.Dropout(0.0))) == []
    assert (
        ask(dropout.two_dropouts, "", network(nn.Dropout(0.5), nn.Dropout(0.5))) == []
    )  # the network is not changed by the recipe


def test_dropout_in_network_fires(one: One) -> None:
    assert one(dropout.dropout_in_network, "dropout=0.25", network(nn.Dropout(0.5))).where == ("1",)
    attention = nn.Sequential(nn.Linear(8, 8), nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1))
    assert "1.self_attn" in one(dropout.dropout_in_network, "dropout=0.25", attention).where
    assert one(dropout.dropout_in_network, "dropout=0.25", nn.LSTM(4, 4, 2, dropout=0.3)).where == ("",)


def test_dropout_in_network_is_silent(ask: Ask) -> None:
    assert ask(dropout.dropout_in_network, "l2=1e-4", network(nn.Dropout(0.5))) == []
    assert ask(dropout.dropout_in_network, "dropout=0.25", network(nn.Dropout(0.0))) == []
    assert ask(dropout.dropout_in_network, "dropout=0.25") == []


# ---- layers and units ------------------------------------------------------------------------------


def test_units_of_feature_maps_fires(one: One, convolutions: nn.Sequential) -> None:
    assert one(dropout.units_of_feature_maps, "dropout=0.25", convolutions).where == ("2",)


def test_units_of_feature_maps_is_silent(ask: Ask, convolutions: nn.Sequential) -> None:
    assert ask(dropout.units_of_feature_maps, "dropout=0.25") == []
    assert ask(dropout.units_of_feature_maps, "dropout(0.25, on=last)", convolutions) == []
    assert ask(dropout.units_of_feature_maps, "spatial_dropout=0.25", convolutions) == []
    assert ask(dropout.units_of_feature_maps, "dropout(0.0, input_rate=0.2)", convolutions) == []


def test_alpha_dropout_without_selu_fires(one: One) -> None:
    assert "not detected" not in one(dropout.alpha_dropout_without_selu, "alpha_dropout=0.1").reason
    assert "F.selu" in one(dropout.alpha_dropout_without_selu, "alpha_dropout=0.1", Custom()).reason


def test_alpha_dropout_without_selu_is_silent(ask: Ask) -> None:
    assert ask(dropout.alpha_dropout_without_selu, "alpha_dropout=0.1", network(nn.SELU())) == []
    assert ask(dropout.alpha_dropout_without_selu, "dropout=0.1") == []


def test_dropout_with_selu_fires(one: One) -> None:
    assert one(dropout.dropout_with_selu, "dropout=0.1", network(nn.SELU())).remedy == "use alpha_dropout"


def test_dropout_with_selu_is_silent(ask: Ask) -> None:
    assert ask(dropout.dropout_with_selu, "alpha_dropout=0.1", network(nn.SELU())) == []
    assert ask(dropout.dropout_with_selu, "dropout=0.1") == []


def test_dropout_in_narrow_layers_fires(one: One) -> None:
    net = nn.Sequential(nn.Linear(4, 15), nn.ReLU(), nn.Linear(15, 16), nn.ReLU(), nn.Linear(16, 2))
    message = one(dropout.dropout_in_narrow_layers, "dropout=0.5", net)
    assert message.where == ("2",)
    assert "= 2" in message.remedy


def test_dropout_in_narrow_layers_is_silent(ask: Ask) -> None:
    assert ask(dropout.dropout_in_narrow_layers, "dropout=0.5", nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 2))) == []
    assert ask(dropout.dropout_in_narrow_layers, "dropout(0.0, input_rate=0.2)", nn.Linear(4, 2)) == []


def test_r_drop_without_noise_fires(one: One) -> None:
    assert one(dropout.r_drop_without_noise, "r_drop=1.0").severity == "error"
    assert one(dropout.r_drop_without_noise, "r_drop=1.0, dropout=0.0").severity == "error"
    assert (
        one(dropout.r_drop_without_noise, "r_drop=1.0", Custom()).severity == "warning"
    )  # its forward pass may call F.dropout


def test_r_drop_without_noise_is_silent(ask: Ask) -> None:
    for recipe in ("r_drop=1.0, dropout=0.1", "r_drop=1.0, drop_connect=0.1", "r_drop=0.0", "dropout=0.1"):
        assert ask(dropout.r_drop_without_noise, recipe) == []
    assert ask(dropout.r_drop_without_noise, "r_drop=1.0", network(nn.Dropout(0.5))) == []
    assert ask(dropout.r_drop_without_noise, "r_drop=1.0", Custom(0.5)) == []


def test_the_network_is_neither_run_nor_changed(ask: Ask, normed: nn.Sequential) -> None:
    weights = {name: tensor.clone() for name, tensor in normed.state_dict().items()}
    before = torch.get_rng_state()
    ask(dropout.before_batch_norm, "dropout=0.25, batch_norm", normed)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(weights[name], tensor) for name, tensor in normed.state_dict().items())
