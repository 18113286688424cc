from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.linter import LintMessage, reach

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_nothing_matched_fires(one: One) -> None:
    message = one(reach.nothing_matched, "l2(0.1, on=Liner)")
    assert (message.severity, "Did you mean 'Linear'" in message.reason) == ("error", True)


def test_nothing_matched_is_silent(ask: Ask) -> None:
    assert ask(reach.nothing_matched, "l2, dropout(0.1, on=last), mixup, drop_path") == []


def test_no_place_fires(one: One) -> None:
    maps, hidden = one(reach.no_place, "spatial_dropout=0.1"), one(reach.no_place, "dropout=0.1", nn.Linear(4, 2))
    assert (maps.severity, "it is for maps" in maps.reason) == ("error", True)
    assert (hidden.techniques, "it is for hidden layers" in hidden.reason) == (("dropout",), True)
    assert one(reach.no_place, "batch_norm(on=last)").techniques == ("batch_norm",)


def test_no_place_is_silent(ask: Ask, convolutions: nn.Sequential) -> None:
    assert ask(reach.no_place, "spatial_dropout=0.1, dropout=0.1, batch_norm", convolutions) == []
    assert ask(reach.no_place, "dropout(0.0, input_rate=0.1)", nn.Linear(4, 2)) == []
    assert ask(reach.no_place, "dropout(0.1, on=Liner)") == []  # another rule's


def test_frozen_fires(one: One, mlp: nn.Sequential) -> None:
    mlp[0].requires_grad_(False)
    partly = one(reach.frozen, "l2=0.1", mlp)
    assert (partly.severity, partly.where) == ("note", ("0.weight",))
    assert one(reach.frozen, "max_norm(3, on=first)", mlp).severity == "warning"


def test_frozen_is_silent(ask: Ask, mlp: nn.Sequential) -> None:
    mlp[0].requires_grad_(False)
    assert ask(reach.frozen, "l2(0.1, on=last), dropout=0.1", mlp) == []
    assert ask(reach.frozen, "l2=0.1") == []
