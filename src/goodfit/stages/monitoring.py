"""Knobs and rules of the OnEpoch techniques that monitor a column of the History. The knobs have Keras' names."""

from __future__ import annotations

import math
from typing import Any

from goodfit.data.metrics.metric import METRICS
from goodfit.stages.on_epoch import MonitorSpec, StopState
from goodfit.technique import knob

MODES = ("auto", "min", "max")
HIGHER_IS_BETTER = (*(m.name for m in METRICS.values() if m.higher_is_better), "auc", "f1")
"""Metrics of which higher values are better: goodfit's own, and frequent names in users' training loops."""


def monitor_knob() -> Any:
    """Declare the knob `monitor`: which column is monitored."""
    return knob(default="stop_loss", doc="a column of the History: stop_loss, stop_accuracy, … (val_… is accepted too)")


def mode_knob() -> Any:
    """Declare the knob `mode`: whether lower or higher values are better."""
    return knob(
        default="auto", choices=MODES, doc="whether lower or higher values are better; auto: depends on the column"
    )


def restore_best_weights_knob() -> Any:
    """Declare the knob `restore_best_weights`."""
    return knob(default=True, doc="keep the best epoch's weights instead of the last ones")


def start_from_epoch_knob() -> Any:
    """Declare the knob `start_from_epoch`."""
    return knob(default=0, low=0, search=(0, 10), unit="epochs", doc="epochs to wait before monitoring starts")


def stop_column(name: str) -> str:
    """The column of the History that a name means: `val_…`, as in Keras, is a column of the stop part.

    >>> stop_column("val_loss"), stop_column("interval_val_loss")
    ('stop_loss', 'interval_val_loss')
    """
    return "stop_" + name.removeprefix("val_") if name.startswith("val_") else name


def train_column(name: str) -> str:
    """The column of the training part that matches a column of the stop part; other columns match themselves.

    >>> train_column("stop_loss"), train_column("nonstop_loss")
    ('train_loss', 'nonstop_loss')
    """
    return "train_" + name.removeprefix("stop_") if name.startswith("stop_") else name


def monitor_spec(monitor: str, mode: str, start_from_epoch: int, restore: bool) -> MonitorSpec:
    """Build a MonitorSpec from the values of these four knobs.

    >>> monitor_spec("val_accuracy", "auto", 0, True)
    MonitorSpec(monitor='stop_accuracy', mode='max', start_from_epoch=0, restore=True)
    """
    column = stop_column(monitor)
    up = mode == "max" or (mode == "auto" and column.endswith(HIGHER_IS_BETTER))
    return MonitorSpec(column, "max" if up else "min", start_from_epoch, restore)


def update_best(state: StopState, spec: MonitorSpec, epoch: int, value: float) -> StopState:
    """The best value so far (`best`, None before there is one) and its epoch (`best_epoch`), after `epoch`.

    >>> update_best({"best": 0.5, "best_epoch": 1}, MonitorSpec(), 2, 0.4)
    {'best': 0.4, 'best_epoch': 2}
    """
    if spec.is_better(value, state["best"]):
        return {"best": value, "best_epoch": epoch}
    return {"best": state["best"], "best_epoch": state["best_epoch"]}


def percent_worse(spec: MonitorSpec, value: float, best: float | None) -> float:
    """How many percent a value is worse than the best one; infinite for a value that is not finite.

    0 if there is no best value yet, or if it is not positive, because the ratio to it would mean nothing.

    >>> percent_worse(MonitorSpec(mode="min"), 3.0, 2.0), percent_worse(MonitorSpec(mode="max"), 3.0, 4.0)
    (50.0, 25.0)
    """
    if best is None or best <= 0:
        return 0.0
    if not math.isfinite(value):
        return math.inf
    return 100 * (value / best - 1 if spec.mode == "min" else 1 - value / best)
