from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor, nn

from goodfit.linter import LintMessage, penalties

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


class Residual(nn.Module):
    """A layer norm of the sum of a shortcut and a layer's output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.layer(x))


class Block(nn.Module):
    """A convolution and a batch norm in a custom forward pass."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


@pytest.mark.parametrize("recipe", ["l2=1e-4", "weight_decay=0.01", "elastic_net(l1=0.0, l2=1e-4)"])
def test_decay_before_norm_fires(recipe: str, one: One, normed: nn.Sequential) -> None:
    message = one(penalties.decay_before_norm, recipe, normed)
    assert (message.severity, message.where) == ("note", ("0.weight", "3.weight"))
    assert one(penalties.decay_before_norm, f"{recipe}, batch_norm").where == ("0.weight", "2.weight")
    assert one(penalties.decay_before_norm, f"{recipe}, layer_norm(on='kernel 2')").where == ("2.weight",)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4)),
        nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.LayerNorm(4)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
        Block(8),
    ],
    ids=["relu between", "layer norm", "group norm", "own forward"],
)
def test_normalized_layers(model: nn.Module, one: One) -> None:
    assert len(one(penalties.decay_before_norm, "l2=1e-4", model).where) == 1


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.BatchNorm1d(4)),  # tanh depends on the scale
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4).requires_grad_(False)),
        nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)),
        Residual(),
        nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.BatchNorm1d(4))),  # not certainly neighbours
        Block(3),  # another number of features, so it normalizes something else
    ],
    ids=["tanh between", "frozen", "none", "residual", "other parents", "other features"],
)
def test_decay_before_norm_is_silent(model: nn.Module, ask: Ask) -> None:
    assert ask(penalties.decay_before_norm, "l2=1e-4", model) == []


def test_decay_before_norm_is_silent_on_other_tensors(ask: Ask, normed: nn.Sequential) -> None:
    for recipe in ("l2(1e-4, on=last)", "l2(1e-4, on=bias)", "l1=1e-4", "l2=0.0"):
        assert ask(penalties.decay_before_norm, recipe, normed) == []


def test_zeros_before_norm_fires(one: One, normed: nn.Sequential) -> None:
    for recipe in ("l1=1e-4", "elastic_net(l1=1e-4, l2=0.0)", "group_lasso=1e-4"):
        message = one(penalties.zeros_before_norm, recipe, normed)
        assert (message.severity, message.where) == ("warning", ("0.weight", "3.weight"))


def test_zeros_before_norm_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(penalties.zeros_before_norm, "l1=1e-4") == []
    assert ask(penalties.zeros_before_norm, "l1(1e-4, on=norm)", normed) == []
    assert ask(penalties.zeros_before_norm, "elastic_net(l1=0.0, l2=1e-4)", normed) == []


def test_l2_with_weight_decay_fires(one: One) -> None:
    message = one(penalties.l2_with_weight_decay, "l2=1e-4, weight_decay=0.01")
    assert (message.severity, message.techniques) == ("warning", ("l2", "weight_decay"))
    assert message.where == ("0.weight", "2.weight", "4.weight")
    sgd = one(penalties.l2_with_weight_decay, "l2=0.01, weight_decay=0.01", optimizer="sgd")
    assert (sgd.severity, "weight_decay=0.03" in sgd.reason) == ("note", True)
    partly = one(penalties.l2_with_weight_decay, "elastic_net(l1=0.0, l2=0.1), weight_decay(0.01, on=last)")
    assert partly.where == ("4.weight",)


def test_l2_with_weight_decay_is_silent(ask: Ask) -> None:
    for recipe in ("l2=1e-4", "l2(1e-4, on=bias), weight_decay=0.01", "l1=1e-4, weight_decay=0.01"):
        assert ask(penalties.l2_with_weight_decay, recipe) == []


def test_l2_under_adam_fires(one: One) -> None:
    assert "adamw rescales" in one(penalties.l2_under_adam, "l2=1e-4", optimizer="adamw").reason


def test_l2_under_adam_is_silent(ask: Ask) -> None:
    assert ask(penalties.l2_under_adam, "l2=1e-4", optimizer="sgd") == []
    assert ask(penalties.l2_under_adam, "l2=1e-4") == []  # the optimizer is unknown
    assert ask(penalties.l2_under_adam, "weight_decay=0.01", optimizer="adam") == []
    assert (
        ask(penalties.l2_under_adam, "l2=1e-4, weight_decay=0.01", optimizer="adam") == []
    )  # reported by l2_with_weight_decay


def test_same_penalty_twice_fires(one: One) -> None:
    message = one(penalties.same_penalty_twice, "elastic_net(l1=0.0, l2=0.1), l2=0.2")
    assert (message.techniques, "0.3" in message.reason) == (("elastic_net", "l2"), True)
    assert one(penalties.same_penalty_twice, "l1=0.25, elastic_net(l1=0.25, l2=0.0)").techniques == (
        "elastic_net",
        "l1",
    )


def test_same_penalty_twice_is_silent(ask: Ask) -> None:
    for recipe in ("l1=0.1, l2=0.1", "elastic_net(l1=0.0, l2=0.1), l1=0.1", "elastic_net(on=first), l2(0.1, on=last)"):
        assert ask(penalties.same_penalty_twice, recipe) == []


def test_zeros_lost_by_schedule_fires(one: One) -> None:
    for schedule in ("linear", "cosine", "early"):
        assert one(penalties.zeros_lost_by_schedule, f"l1(1e-4, schedule={schedule})").severity == "warning"
    assert one(penalties.zeros_lost_by_schedule, "group_lasso(1e-4, schedule=cosine)").techniques == ("group_lasso",)


def test_zeros_lost_by_schedule_is_silent(ask: Ask) -> None:
    for recipe in ("l1=1e-4", "l1(1e-4, schedule=late)", "l2(1e-4, schedule=cosine)"):
        assert ask(penalties.zeros_lost_by_schedule, recipe) == []


def test_biases_and_norms_fires(one: One, normed: nn.Sequential) -> None:
    message = one(penalties.biases_and_norms, "weight_decay(0.01, on='kernel norm bias first')", normed)
    assert message.where == ("0.bias",)
    assert one(penalties.biases_and_norms, "l2(0.01, on='norm 1')", normed).where == ("1.weight", "1.bias")


def test_biases_and_norms_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(penalties.biases_and_norms, "l2=0.01, weight_decay=0.01, elastic_net", normed) == []
    assert ask(penalties.biases_and_norms, "l1(0.01, on=norm)", normed) == []  # intended, to prune units


def test_default_decay_of_adamw_fires(one: One) -> None:
    assert one(penalties.default_decay_of_adamw, "weight_decay=0.1", optimizer="adamw").severity == "note"
    assert one(penalties.default_decay_of_adamw, "l2=0.1", optimizer="AdamW", manual_loop=True).severity == "warning"


def test_default_decay_of_adamw_is_silent(ask: Ask) -> None:
    assert ask(penalties.default_decay_of_adamw, "weight_decay=0.1", optimizer="adamw", manual_loop=False) == []
    assert ask(penalties.default_decay_of_adamw, "weight_decay=0.1", optimizer="adam", manual_loop=True) == []
    assert ask(penalties.default_decay_of_adamw, "l1=0.1", optimizer="adamw") == []


def test_too_many_vectors_fires(one: One) -> None:
    net = nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 3))  # 9 vectors in 4 dimensions; 3 in 9
    assert one(penalties.too_many_vectors, "orthogonal=0.01", net).where == ("0.weight",)
    assert one(penalties.too_many_vectors, "orthogonal(0.01, over=inputs)", net).where == ("1.weight",)


def test_too_many_vectors_is_silent(ask: Ask) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    assert ask(penalties.too_many_vectors, "orthogonal=0.01", net) == []
    assert ask(penalties.too_many_vectors, "orthogonal(0.01, on='kernel bias')", net) == []
    assert ask(penalties.too_many_vectors, "orthogonal=0.01", nn.LSTM(4, 4)) == []  # each gate: 4 in 4 dimensions
    assert ask(penalties.too_many_vectors, "l2=0.01", nn.Linear(4, 9)) == []


def test_l2_with_weight_decay_under_an_unknown_optimizer(one: One) -> None:
    message = one(penalties.l2_with_weight_decay, "l2=0.1, weight_decay=0.1")
    assert message.severity == "warning"
    assert "an adaptive optimizer such as Adam rescales only" in message.reason
