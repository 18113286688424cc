"""The OnEpoch stage: the columns of the History, the best epoch, the decision to stop, and divergence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError, TrainingError
from goodfit.recipe import Recipe
from goodfit.stages import OnEpoch
from goodfit.techniques import L1, L2, ElasticNet
from goodfit.train.config import Training
from goodfit.train.evaluate import Evaluation
from goodfit.train.fit import fit
from goodfit.train.stages.on_epoch import (
    ADVICE,
    EpochMonitor,
    EpochStats,
    RunTracker,
    check_monitors,
    divergence,
    history_row,
)

Net = Callable[..., nn.Sequential]


def test_columns_of_the_history_in_order(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, "l1=1e-3, l2=1e-2, dropout=0.2", Training(epochs=2, batch_size=16))
    assert run.history.columns == [
        "epoch", "train_loss", "train_loss_se", "stop_loss", "stop_loss_se", "train_accuracy", "stop_accuracy",
        "batch_loss", "penalty_l1", "penalty_l2", "learning_rate", "seconds",
    ]  # fmt: skip
    assert run.history["epoch"] == [1, 2]


def test_losses_do_not_contain_the_penalties(three_class_split: Split, make_net: Net) -> None:
    """The penalties are larger than the losses, so that the test would notice them there."""
    run = fit(
        make_net(), three_class_split, [L1(2.0), L2(3.0), ElasticNet(1.0, 1.0)], Training(epochs=1, batch_size=96)
    )
    kernels = [w.double() for name, w in run.last.items() if name.endswith("weight")]
    absolute, square = sum(float(w.abs().sum()) for w in kernels), sum(float(w.square().sum()) for w in kernels)
    assert run.row["penalty_l1"] == pytest.approx(2 * absolute, rel=1e-5)
    assert run.row["penalty_l2"] == pytest.approx(3 * square, rel=1e-5)
    assert run.row["penalty_elastic_net"] == pytest.approx(absolute + square, rel=1e-5)
    loss = float(F.cross_entropy(run.outputs(three_class_split.stop.x), three_class_split.stop.y))
    assert run.row["stop_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.row["penalty_l2"] > 2 * loss
    first = float(F.cross_entropy(make_net()(three_class_split.train.x), three_class_split.train.y).detach())
    assert run.row["batch_loss"] == pytest.approx(first, rel=1e-5)


def test_losses_of_the_training_rows_are_computed_without_noise_and_mixing(
    three_class_split: Split, make_net: Net
) -> None:
    """Dropout, mixing and smoothing change only `batch_loss`."""
    run = fit(
        make_net(), three_class_split, "dropout=0.5, mixup=1.0, label_smoothing=0.3", Training(epochs=3, batch_size=16)
    )
    loss = float(F.cross_entropy(run.outputs(three_class_split.train.x), three_class_split.train.y))
    assert run.row["train_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.row["batch_loss"] > run.row["train_loss"]


# ---- parts of the stage --------------------------------------------------------------------------------


def row(epoch: int, stop_loss: float) -> dict[str, float]:
    return {"epoch": epoch, "stop_loss": stop_loss}


def tracker_after(recipe: str, *losses: float) -> tuple[RunTracker, list[bool]]:
    """A tracker after epochs with these stop losses; whether each was the best so far."""
    tracker = RunTracker.of(Recipe.of(recipe), "accuracy")
    return tracker, [tracker.record(row(epoch, loss)) for epoch, loss in enumerate(losses, start=1)]


def test_the_best_epoch_has_the_lowest_stop_loss_by_default() -> None:
    tracker, improved = tracker_after("", 0.9, math.nan, 0.5, 0.5, 0.7)
    assert improved == [True, False, True, False, False]
    assert (tracker.best_epoch, tracker.monitor.best_value) == (3, 0.5)
    assert not tracker.stopped
    assert not tracker.keeps_best(interrupted=False)
    assert tracker.keeps_best(interrupted=True)


def test_the_first_technique_that_stops_gives_the_reason() -> None:
    tracker, _ = tracker_after("early_stopping=2, divergence_stop(threshold=2)", 0.5, 0.6, 0.7, 5.0)
    assert tracker.stopped == "stop_loss has not improved for 2 epochs (best: epoch 1)"
    assert tracker.keeps_best(interrupted=False)


def test_a_missing_metric_changes_nothing() -> None:
    monitor = EpochMonitor(Recipe.of("early_stopping(1, monitor=stop_f1)").at(OnEpoch))
    states = monitor.states
    with pytest.raises(KeyError, match="stop_f1"):
        monitor.observe(1, row(1, 0.5))
    assert monitor.states is states
    assert monitor.best_epoch == 0


def test_divergence_keeps_the_best_epoch_or_is_an_error_without_one() -> None:
    tracker, _ = tracker_after("", 0.5)
    tracker.diverge("the loss became nan in epoch 2, batch 1 of 3")
    assert tracker.stopped == f"the loss became nan in epoch 2, batch 1 of 3; {ADVICE}"
    assert tracker.diverged
    assert tracker.keeps_best(interrupted=False)
    with pytest.raises(TrainingError, match="training: it diverged; try a lower learning_rate"):
        RunTracker.of(Recipe(), "accuracy").diverge("it diverged")


def test_the_state_of_a_tracker_is_plain_data_and_can_be_restored() -> None:
    tracker, _ = tracker_after("early_stopping=3", 0.5, math.inf)
    restored = RunTracker.of(Recipe.of("early_stopping=3"), "accuracy")
    restored.load_state(json.loads(json.dumps(tracker.state())))
    assert restored.state() == tracker.state()
    assert [restored.record(row(3, 0.4)), restored.best_epoch] == [True, 3]


def test_the_first_loss_or_weight_that_is_not_finite() -> None:
    def no_weights() -> list[str]:
        raise AssertionError("weights are checked only if all losses are finite")

    losses = torch.tensor([1.0, math.inf, math.nan])
    assert divergence(4, losses, no_weights) == "the loss became inf in epoch 4, batch 2 of 3"
    assert divergence(4, losses[:1], lambda: ["a", "b"]) == "the weights 'a' stopped being finite in epoch 4"
    assert divergence(4, losses[:1], list) == ""


def test_a_row_of_the_history() -> None:
    train, stop = Evaluation(0.1, 0.01, 0.9), Evaluation(0.2, 0.02, 0.8)
    assert list(history_row(3, "f1", train, stop, EpochStats(0.3, {"penalty_l1": 0.4}, 0.5, 0.6)).items()) == [
        ("epoch", 3), ("train_loss", 0.1), ("train_loss_se", 0.01), ("stop_loss", 0.2), ("stop_loss_se", 0.02),
        ("train_f1", 0.9), ("stop_f1", 0.8), ("batch_loss", 0.3), ("penalty_l1", 0.4), ("learning_rate", 0.5),
        ("seconds", 0.6),
    ]  # fmt: skip


def test_a_monitored_metric_must_be_a_column_of_the_history() -> None:
    check_monitors(Recipe.of("early_stopping(1, monitor=val_f1)"), "f1")
    with pytest.raises(InputError, match=r"EarlyStopping: monitor must be one of .*, got monitor='stop_f1'"):
        check_monitors(Recipe.of("early_stopping(1, monitor=val_f1)"), "accuracy")
