"""Divergence stop: stop training at fixed bounds of a metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

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


class DivergenceStop(OnEpoch):
    """Stops training when the monitored column exceeds a threshold, or reaches a target value.

    Formula: stops when value > threshold or the value is not finite, and when value ≤ reach (with mode max: < threshold
    and ≥ reach). A bound of inf is disabled, in both modes; without a threshold, values that are not finite do not stop
    training.

    Shape: one row of the History per epoch; the loss columns hold the data loss without penalties.

    Helps when: many runs are tried and some of them diverge, or a certain score is good enough.
    Hurts when: the first epochs exceed the threshold in a normal run (see `start_from_epoch`).

    >>> rule = DivergenceStop(threshold=2.0, reach=0.1)
    >>> [rule.observe({}, 1, {"stop_loss": loss})[1].stop for loss in (2.5, 2.0, 0.2, 0.1, float("nan"))]
    [True, False, False, True, True]

    Differs from Lightning: a value equal to `stopping_threshold` (here: reach) is enough, and `check_finite` is part of
    the threshold.
    """

    references = (
        Reference(
            authors=("W. Falcon", "the PyTorch Lightning team"),
            title="PyTorch Lightning",
            venue="Zenodo",
            year=2019,
            url="https://doi.org/10.5281/zenodo.3828935",
        ),
    )
    watches_progress: ClassVar[bool] = False
    threshold: float = knob(
        default=10.0,
        search=(1.25, 20.0),
        log=True,
        neutral=math.inf,
        unit="units of the monitor",
        doc="training stops when the value is worse; inf: no bound",
    )
    reach: float = knob(
        default=math.inf,
        search=(0.05, 2.0),
        log=True,
        neutral=math.inf,
        unit="units of the monitor",
        doc="training stops when the value is at least as good; inf: no bound",
    )
    monitor: str = monitor_knob()
    mode: str = mode_knob()
    restore_best_weights: bool = restore_best_weights_knob()
    start_from_epoch: int = start_from_epoch_knob()

    def monitor_spec(self) -> MonitorSpec:
        return monitor_spec(self.monitor, self.mode, self.start_from_epoch, self.restore_best_weights)

    def start(self) -> StopState:
        return {}

    def observe(self, state: StopState, epoch: int, metrics: Mapping[str, float]) -> tuple[StopState, Decision]:
        watch = self.monitor_spec()
        if epoch <= watch.start_from_epoch:
            return state, Decision(stop=False)
        value = metrics[watch.monitor]
        finite = math.isfinite(value)
        if math.isfinite(self.threshold) and (not finite or watch.is_better(self.threshold, value)):
            reason = f"{watch.monitor} is {value:.4g}, worse than the threshold {self.threshold:g}"
            return state, Decision(stop=True, reason=reason)
        if math.isfinite(self.reach) and finite and not watch.is_better(self.reach, value):
            reason = f"{watch.monitor} is {value:.4g}, which reaches the target {self.reach:g}"
            return state, Decision(stop=True, reason=reason)
        return state, Decision(stop=False)
