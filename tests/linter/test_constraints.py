from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.linter import LintMessage, constraints

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_unit_norm_with_bounds_fires(one: One) -> None:
    idle = one(constraints.unit_norm_with_bounds, "unit_norm, max_norm=3")
    assert (idle.severity, idle.remedy) == ("warning", "remove max_norm")
    assert one(constraints.unit_norm_with_bounds, "max_norm=0.5, unit_norm").severity == "error"
    assert (
        one(constraints.unit_norm_with_bounds, "unit_norm, min_max_norm(min_value=2.0, max_value=3.0)").severity
        == "error"
    )
    touching = "unit_norm, min_max_norm(min_value=1.0, max_value=3.0)"
    assert one(constraints.unit_norm_with_bounds, touching).severity == "warning"
    partly = one(constraints.unit_norm_with_bounds, "unit_norm(on=first), max_norm=0.5")
    assert partly.where == ("0.weight",)


def test_unit_norm_with_bounds_is_silent(ask: Ask) -> None:
    for recipe in ("unit_norm", "unit_norm(on=first), max_norm(3, on=last)", "unit_norm(axis=0), max_norm=3"):
        assert ask(constraints.unit_norm_with_bounds, recipe) == []


def test_two_bounds_fires(one: One) -> None:
    assert one(constraints.two_bounds, "max_norm=3, min_max_norm").severity == "warning"
    assert one(constraints.two_bounds, "max_norm=1, min_max_norm(min_value=2.0, max_value=3.0)").severity == "error"


def test_two_bounds_is_silent(ask: Ask) -> None:
    for recipe in ("max_norm=3", "max_norm(3, on=first), min_max_norm(on=last)", "max_norm=3, non_neg"):
        assert ask(constraints.two_bounds, recipe) == []


def test_unit_norm_with_decay_fires(one: One) -> None:
    assert one(constraints.unit_norm_with_decay, "l2=0.1, unit_norm").techniques == ("l2", "unit_norm")
    assert one(constraints.unit_norm_with_decay, "weight_decay=0.1, unit_norm(on=last)").where == ("4.weight",)


def test_unit_norm_with_decay_is_silent(ask: Ask) -> None:
    for recipe in ("l1=0.1, unit_norm", "l2(0.1, on=first), unit_norm(on=last)", "l2=0.1, max_norm=3"):
        assert ask(constraints.unit_norm_with_decay, recipe) == []


def test_bound_before_norm_fires(one: One, normed: nn.Sequential) -> None:
    for name in ("max_norm", "min_max_norm", "spectral_norm"):
        assert one(constraints.bound_before_norm, name, normed).where == ("0.weight", "3.weight")


def test_bound_before_norm_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(constraints.bound_before_norm, "max_norm=3") == []
    assert ask(constraints.bound_before_norm, "max_norm(3, on=last), unit_norm", normed) == []
