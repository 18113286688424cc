"""What the techniques that watch a curve share: knobs in Keras' names, the direction, the best value so far."""

from __future__ import annotations

import math
from typing import Any

from goodfit.stages.on_epoch import State, Watch
from goodfit.technique import knob

MODES = ("auto", "min", "max")
HIGHER_IS_BETTER = ("accuracy", "auc", "f1", "f1_macro", "iou", "r2")


def monitored() -> Any:
    """The knob `monitor`: which column is watched."""
    return knob(default="stop_loss", doc="a column of the History: stop_loss, stop_accuracy, … (val_… is understood)")


def direction() -> Any:
    """The knob `mode`: which way is better."""
    return knob(default="auto", choices=MODES, doc="whether less or more is better; auto: by the column's name")


def restoring() -> Any:
    """The knob `restore_best_weights`."""
    return knob(default=True, doc="keep the best epoch's weights rather than the last ones")


def waiting() -> Any:
    """The knob `start_from_epoch`."""
    return knob(default=0, low=0, search=(0, 10), unit="epochs", doc="epochs to let pass before it watches")


def watch_of(monitor: str, mode: str, start_from_epoch: int, restore: bool) -> Watch:
    """The Watch that those four knobs mean.

    >>> watch_of("val_accuracy", "auto", 0, True)
    Watch(monitor='stop_accuracy', mode='max', start_from_epoch=0, restore=True)
    """
    column = monitor.replace("val_", "stop_", 1)
    up = mode == "max" or (mode == "auto" and column.endswith(HIGHER_IS_BETTER))
    return Watch(column, "max" if up else "min", start_from_epoch, restore)


def best_after(state: State, watch: Watch, epoch: int, value: float) -> State:
    """The best value (`best`, None before there is one) and its epoch (`best_epoch`), once `epoch` is over.

    >>> best_after({"best": 0.5, "best_epoch": 1}, Watch(), 2, 0.4)
    {'best': 0.4, 'best_epoch': 2}
    """
    if watch.better(value, state["best"]):
        return {"best": value, "best_epoch": epoch}
    return {"best": state["best"], "best_epoch": state["best_epoch"]}


def percent_worse(watch: Watch, value: float, best: float | None) -> float:
    """By how many percent of the best value another one is worse; endless for one that is not finite.

    0 where there is no best value, and where it is not above zero: there is no ratio to it then.

    >>> percent_worse(Watch(mode="min"), 3.0, 2.0), percent_worse(Watch(mode="max"), 3.0, 4.0)
    (50.0, 25.0)
    """
    if best is None or best <= 0:
        return 0.0
    if not math.isfinite(value):
        return math.inf
    return 100 * (value / best - 1 if watch.mode == "min" else 1 - value / best)
