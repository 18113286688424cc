"""Early stopping: stop training when a metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping

from goodfit.reference import Reference
from goodfit.stages import Decision, MonitorSpec, OnEpoch, StopState
from goodfit.stages.monitoring import (
    mode_knob,
    monitor_knob,
    monitor_spec,
    restore_best_weights_knob,
    start_from_epoch_knob,
)
from goodfit.technique import knob


class EarlyStopping(OnEpoch):
    """Stops training when the monitored column has not improved for `patience` epochs and restores the best weights.

    Formula: an epoch improves when value < best − min_delta (mode min) or value > best + min_delta (mode max); the
    margin is absolute, so that negative scores work the same way. Training stops after `patience` consecutive epochs
    without improvement; patience 0 counts as 1. With a `baseline`, an improvement resets the patience only if it also
    beats the baseline by `min_delta`. Training never stops at an epoch that improves.

    Shape: one row of the History per epoch; the loss columns hold the data loss without penalties.

    Helps when: the stop loss rises while the training loss still falls.
    Hurts when: the stop part is so small that its curve is noisy (increase the patience), or the loss has plateaus.

    >>> early, state = EarlyStopping(patience=2), EarlyStopping().start()
    >>> for epoch, loss in enumerate([0.9, 0.5, 0.6, 0.7], start=1):
    ...     state, decision = early.observe(state, epoch, {"stop_loss": loss})
    >>> decision.stop, state["best"], state["best_epoch"]
    (True, 0.5, 2)

    Differs from Keras: the best epoch is chosen by the monitored value alone, without `min_delta`.
    """

    references = (
        Reference(
            authors=("L. Prechelt",),
            title="Early stopping: but when?",
            venue="Neural Networks: Tricks of the Trade",
            year=1998,
            url="https://doi.org/10.1007/3-540-49430-8_3",
        ),
    )
    monitor: str = monitor_knob()
    min_delta: float = knob(
        default=0.0,
        low=0,
        search=(0.0, 0.01),
        unit="units of the monitor",
        doc="smallest change that counts as an improvement",
    )
    patience: int = knob(
        default=10,
        low=0,
        search=(2, 20),
        main=True,
        neutral=10**9,
        unit="epochs",
        doc="epochs without improvement before training stops",
    )
    mode: str = mode_knob()
    baseline: float = knob(
        default=math.inf,
        unit="units of the monitor",
        doc="value that an improvement must beat to reset the patience; inf: none",
    )
    restore_best_weights: bool = restore_best_weights_knob()
    start_from_epoch: int = start_from_epoch_knob()

    def monitor_spec(self) -> MonitorSpec:
        return monitor_spec(self.monitor, self.mode, self.start_from_epoch, self.restore_best_weights)

    def start(self) -> StopState:
        return {"best": None, "best_epoch": 0, "wait": 0}

    def observe(self, state: StopState, epoch: int, metrics: Mapping[str, float]) -> tuple[StopState, Decision]:
        watch = self.monitor_spec()
        if epoch <= watch.start_from_epoch:
            return state, Decision(stop=False)
        value, best = metrics[watch.monitor], state["best"]
        margin = self.min_delta if watch.mode == "min" else -self.min_delta
        improved = watch.is_better(value + margin, best)
        if improved:
            best, best_epoch = value, epoch
        else:
            best_epoch = state["best_epoch"]
        beats = math.isinf(self.baseline) or watch.is_better(value + margin, self.baseline)
        wait = 0 if improved and beats else state["wait"] + 1
        after: StopState = {"best": best, "best_epoch": best_epoch, "wait": wait}
        stop = not improved and wait >= max(1, self.patience)
        reason = f"{watch.monitor} has not improved for {wait} epochs (best: epoch {best_epoch})" if stop else ""
        return after, Decision(stop, reason)
