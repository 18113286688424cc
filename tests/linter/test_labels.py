from __future__ import annotations

from collections.abc import Callable

import pytest

from goodfit.data import METRICS
from goodfit.linter import LintMessage, labels

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


@pytest.mark.parametrize("mixing", ["mixup", "cutmix", "manifold_mixup"])
def test_smoothing_with_mixing_fires(mixing: str, one: One) -> None:
    assert one(labels.smoothing_with_mixing, f"{mixing}, label_smoothing").techniques == ("label_smoothing", mixing)


def test_smoothing_with_mixing_is_silent(ask: Ask) -> None:
    for recipe in ("mixup", "label_smoothing", "mixup=0.0, label_smoothing", "cut_out, label_smoothing"):
        assert ask(labels.smoothing_with_mixing, recipe) == []


def test_smoothing_with_confidence_penalty_fires(one: One) -> None:
    assert one(labels.smoothing_with_confidence_penalty, "label_smoothing, confidence_penalty").severity == "note"


def test_smoothing_with_confidence_penalty_is_silent(ask: Ask) -> None:
    assert ask(labels.smoothing_with_confidence_penalty, "label_smoothing, spectral_decoupling") == []
    assert ask(labels.smoothing_with_confidence_penalty, "label_smoothing, confidence_penalty=0.0") == []


def test_smoothing_with_disturb_label_fires(one: One) -> None:
    assert one(labels.smoothing_with_disturb_label, "label_smoothing, disturb_label").severity == "note"


def test_smoothing_with_disturb_label_is_silent(ask: Ask) -> None:
    assert ask(labels.smoothing_with_disturb_label, "label_smoothing") == []
    assert ask(labels.smoothing_with_disturb_label, "disturb_label") == []


def test_smoothing_against_metric_fires(one: One) -> None:
    assert (
        "probabilities, which log_loss evaluates"
        in one(labels.smoothing_against_metric, "label_smoothing", metric="log_loss").reason
    )
    assert "roc_auc evaluates" in one(labels.smoothing_against_metric, "disturb_label", metric="roc_auc").reason
    sources = {one(labels.smoothing_against_metric, "label_smoothing", metric=m).citation for m in ("AUC", "nll")}
    assert len(sources) == 2


@pytest.mark.parametrize("metric", [m.name for m in METRICS.values() if m.needs == "scores"])
def test_what_every_metric_of_scores_evaluates_is_known(metric: str) -> None:
    assert labels.metric_input(metric)


def test_smoothing_against_metric_is_silent(ask: Ask) -> None:
    for metric in ("", "accuracy", "f1_macro", "balanced_accuracy"):
        assert ask(labels.smoothing_against_metric, "label_smoothing", metric=metric) == []
    assert ask(labels.smoothing_against_metric, "mixup, confidence_penalty", metric="log_loss") == []


def test_mixing_twice_fires(one: One) -> None:
    assert one(labels.mixing_twice, "mixup, cutmix").techniques == ("mixup", "cutmix")


def test_mixing_twice_is_silent(ask: Ask) -> None:
    assert ask(labels.mixing_twice, "mixup, cut_out") == []
    assert ask(labels.mixing_twice, "mixup, manifold_mixup=0.0") == []


def test_mixing_regression_targets_fires(one: One) -> None:
    assert one(labels.mixing_regression_targets, "mixup", task="regression").severity == "note"


def test_mixing_regression_targets_is_silent(ask: Ask) -> None:
    assert ask(labels.mixing_regression_targets, "mixup") == []
    assert ask(labels.mixing_regression_targets, "target_noise", task="regression") == []


@pytest.mark.parametrize("name", ["label_smoothing", "class_balance", "smote", "class_weights", "disturb_label"])
def test_wrong_targets_fires(name: str, one: One) -> None:
    assert one(labels.wrong_targets, name, task="regression").techniques == (name,)
    assert one(labels.wrong_targets, "target_noise", task="classification").severity == "error"


def test_wrong_targets_is_silent(ask: Ask) -> None:
    assert ask(labels.wrong_targets, "label_smoothing, class_balance, mixup, l2", task="classification") == []
    assert ask(labels.wrong_targets, "label_smoothing, target_noise, class_balance") == []  # the task is unknown
    assert ask(labels.wrong_targets, "target_noise, mixup, r_drop, sam", task="regression") == []
