"""What OnEpoch techniques that monitor a column share."""

from __future__ import annotations

import math

import pytest

from goodfit.stages import MonitorSpec
from goodfit.stages.monitoring import HIGHER_IS_BETTER, monitor_spec, percent_worse, update_best


@pytest.mark.parametrize(
    ("monitor", "mode", "column", "direction"),
    [
        ("stop_loss", "auto", "stop_loss", "min"),
        ("val_loss", "auto", "stop_loss", "min"),
        ("val_accuracy", "auto", "stop_accuracy", "max"),
        ("val_accuracy", "min", "stop_accuracy", "min"),
        ("stop_rmse", "auto", "stop_rmse", "min"),
        ("stop_rmse", "max", "stop_rmse", "max"),
        ("train_val_loss", "auto", "train_val_loss", "min"),
        ("stop_roc_auc", "auto", "stop_roc_auc", "max"),
        ("stop_log_loss", "auto", "stop_log_loss", "min"),
    ],
)
def test_the_column_and_its_direction(monitor: str, mode: str, column: str, direction: str) -> None:
    assert monitor_spec(monitor, mode, 3, False) == MonitorSpec(column, direction, 3, False)


@pytest.mark.parametrize("metric", HIGHER_IS_BETTER)
def test_higher_metrics_are_better(metric: str) -> None:
    assert monitor_spec(f"stop_{metric}", "auto", 0, True).mode == "max"


def test_the_best_value_and_its_epoch() -> None:
    state = {"best": None, "best_epoch": 0}
    epochs = []
    for epoch, value in enumerate([math.nan, 0.5, 0.5, 0.6, 0.4], start=1):
        state = update_best(state, MonitorSpec(), epoch, value)
        epochs.append((state["best"], state["best_epoch"]))
    assert epochs == [(None, 0), (0.5, 2), (0.5, 2), (0.5, 2), (0.4, 5)]  # the first of equal values stays the best


@pytest.mark.parametrize(
    ("mode", "value", "best", "percent"),
    [
        ("min", 3.0, 2.0, 50.0),
        ("min", 1.5, 2.0, -25.0),
        ("max", 3.0, 4.0, 25.0),
        ("min", math.nan, 2.0, math.inf),
        ("max", -math.inf, 2.0, math.inf),
        ("min", 3.0, None, 0.0),
        ("min", 3.0, 0.0, 0.0),  # no ratio to a best value of 0
        ("max", math.nan, -1.0, 0.0),
    ],
)
def test_percent_worse(mode: str, value: float, best: float | None, percent: float) -> None:
    assert percent_worse(MonitorSpec(mode=mode), value, best) == percent
