from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.linter import LintMessage, selectors

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_nothing_matched_fires(one: One) -> None:
    message = one(selectors.nothing_matched, "l2(0.1, on=Liner)")
    assert (message.severity, "Did you mean 'Linear'" in message.reason) == ("error", True)


def test_nothing_matched_is_silent(ask: Ask) -> None:
    assert ask(selectors.nothing_matched, "l2, dropout(0.1, on=last), mixup, drop_path") == []


def test_no_suitable_layer_fires(one: One) -> None:
    maps, hidden = (
        one(selectors.no_suitable_layer, "spatial_dropout=0.1"),
        one(selectors.no_suitable_layer, "dropout=0.1", nn.Linear(4, 2)),
    )
    assert (maps.severity, "it acts on layers with feature maps" in maps.reason) == ("error", True)
    assert (hidden.techniques, "it acts on hidden layers" in hidden.reason) == (("dropout",), True)
    assert one(selectors.no_suitable_layer, "batch_norm(on=last)").techniques == ("batch_norm",)


def test_no_suitable_layer_is_silent(ask: Ask, convolutions: nn.Sequential) -> None:
    assert ask(selectors.no_suitable_layer, "spatial_dropout=0.1, dropout=0.1, batch_norm", convolutions) == []
    assert ask(selectors.no_suitable_layer, "dropout(0.0, input_rate=0.1)", nn.Linear(4, 2)) == []
    assert ask(selectors.no_suitable_layer, "dropout(0.1, on=Liner)") == []  # reported by nothing_matched


def test_frozen_weights_fires(one: One, mlp: nn.Sequential) -> None:
    mlp[0].requires_grad_(False)
    partly = one(selectors.frozen_weights, "l2=0.1", mlp)
    assert (partly.severity, partly.where) == ("note", ("0.weight",))
    assert one(selectors.frozen_weights, "max_norm(3, on=first)", mlp).severity == "warning"


def test_frozen_weights_is_silent(ask: Ask, mlp: nn.Sequential) -> None:
    mlp[0].requires_grad_(False)
    assert ask(selectors.frozen_weights, "l2(0.1, on=last), dropout=0.1", mlp) == []
    assert ask(selectors.frozen_weights, "l2=0.1") == []


def test_messages_name_the_technique_once(one: One) -> None:
    message = str(one(selectors.nothing_matched, "l2(0.1, on=nothing)"))
    assert message.startswith("error: l2: on must match a weight tensor of the network, got on='nothing'")
