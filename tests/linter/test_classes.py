from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from goodfit.linter import LintMessage, classes

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_balanced_twice_fires(one: One) -> None:
    message = one(classes.balanced_twice, "class_balance=1.0, class_weights=0.5")
    assert (message.severity, "total strength of 1.5" in message.reason) == ("warning", True)


def test_balanced_twice_is_silent(ask: Ask) -> None:
    for recipe in ("class_balance=1.0", "class_balance=0.5, class_weights=0.5", "class_balance=1.0, class_weights=0.0"):
        assert ask(classes.balanced_twice, recipe) == []


def test_weights_with_soft_labels_fires(one: One) -> None:
    message = one(classes.weights_with_soft_labels, "class_weights, label_smoothing")
    assert (message.techniques, "104776" in str(message.citation)) == (("class_weights", "label_smoothing"), True)


def test_weights_with_soft_labels_is_silent(ask: Ask) -> None:
    assert ask(classes.weights_with_soft_labels, "class_balance, label_smoothing") == []
    assert ask(classes.weights_with_soft_labels, "class_weights, label_smoothing=0.0") == []


def test_balance_against_metric_fires(one: One) -> None:
    assert one(classes.balance_against_metric, "class_balance", metric="log_loss").severity == "warning"
    assert one(classes.balance_against_metric, "class_weights", metric="auc").severity == "note"


def test_balance_against_metric_is_silent(ask: Ask) -> None:
    assert ask(classes.balance_against_metric, "class_balance", metric="balanced_accuracy") == []
    assert ask(classes.balance_against_metric, "l2", metric="log_loss") == []


def test_weights_fade_fires(one: One) -> None:
    assert one(classes.weights_fade, "class_weights, dropout").severity == "note"
    assert one(classes.weights_fade, "class_weights, divergence_stop").techniques == ("class_weights",)


@pytest.mark.parametrize("held", ["l2", "weight_decay", "batch_norm", "early_stopping", "class_balance"])
def test_weights_fade_is_silent(held: str, ask: Ask, normed: nn.Sequential) -> None:
    recipe = held if held == "class_balance" else f"class_weights, {held}"
    assert ask(classes.weights_fade, recipe) == []
    assert ask(classes.weights_fade, "class_weights", normed) == []


def test_too_few_to_synthesize_fires(one: One) -> None:
    assert one(classes.too_few_to_synthesize, "smote", smallest_class=1).severity == "warning"
    message = one(classes.too_few_to_synthesize, "smote(k=7)", smallest_class=7)
    assert (message.severity, message.remedy) == ("note", "set k below 7, or use class_balance")


def test_too_few_to_synthesize_is_silent(ask: Ask) -> None:
    assert ask(classes.too_few_to_synthesize, "smote", smallest_class=6) == []
    assert ask(classes.too_few_to_synthesize, "smote") == []
    assert ask(classes.too_few_to_synthesize, "class_balance", smallest_class=1) == []
