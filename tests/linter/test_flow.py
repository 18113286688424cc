"""The order and kinds of the modules that a sample passes."""

from __future__ import annotations

import pytest
from torch import nn

from goodfit.linter.flow import dropout_modules, flow_kind, has_custom_forward
from goodfit.linter.view import View
from goodfit.recipe import Recipe


def flow(model: nn.Module, recipe: str = "") -> list[tuple[str, str]]:
    view = View(tuple(Recipe.of(recipe)), model)
    return [(i.technique.name() if i.technique else i.kind, i.name) for i in view.flow]


def test_noises_before_and_normalizations_after_layers() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert flow(net, "dropout(0.1, input_rate=0.2), batch_norm, layer_norm(on='kernel 0'), gaussian_noise(0.1)") == [
        ("dropout", "0"),
        ("gaussian_noise", "0"),
        ("layer", "0"),
        ("batch_norm", "0"),
        ("layer_norm", "0"),
        ("homogeneous", "1"),
        ("dropout", "2"),
        ("gaussian_noise", "2"),
        ("layer", "2"),
    ]


def test_containers_are_expanded_but_layers_are_not() -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(8, 8)), nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1))
    assert flow(net) == [
        ("layer", "0.0"),
        ("layer", "1.self_attn"),
        ("layer", "1.linear1"),
        ("dropout", "1.dropout"),
        ("layer", "1.linear2"),
        ("norm", "1.norm1"),
        ("norm", "1.norm2"),
        ("dropout", "1.dropout1"),
        ("dropout", "1.dropout2"),
    ]


def test_parametrized_layers_are_layers() -> None:
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.BatchNorm1d(4))
    assert flow(net) == [("layer", "0"), ("batch_norm", "1")]


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.Dropout(0.0), "other"),
        (nn.AlphaDropout(0.1), "dropout"),
        (nn.BatchNorm2d(3), "batch_norm"),
        (nn.BatchNorm2d(3, affine=False), "batch_norm"),
        (nn.BatchNorm2d(3).requires_grad_(False), "other"),
        (nn.InstanceNorm1d(3), "norm"),
        (nn.GroupNorm(1, 3), "norm"),
        (nn.LocalResponseNorm(2), "other"),
        (nn.Sigmoid(), "other"),
        (nn.Embedding(2, 3), "layer"),
    ],
)
def test_kinds(module: nn.Module, kind: str) -> None:
    assert flow_kind(module) == kind


def test_features_of_normalizations() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3), nn.GroupNorm(2, 4), nn.LayerNorm((2, 5)), nn.RMSNorm(6), nn.ReLU())
    assert [item.features for item in View((), net).flow] == [3, 4, 5, 6, None]


def test_dropout_modules_and_custom_forward() -> None:
    class Custom(nn.Module):
        pass

    assert dropout_modules(nn.Sequential(nn.Dropout(0.1), nn.Dropout(0.0), nn.GRU(2, 2, 2, dropout=0.1))) == ["0", "2"]
    assert dropout_modules(nn.MultiheadAttention(2, 1, dropout=0.1)) == [""]
    assert (has_custom_forward(nn.Sequential(nn.ReLU())), has_custom_forward(nn.Sequential(Custom()))) == (False, True)
