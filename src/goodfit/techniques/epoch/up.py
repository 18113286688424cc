"""Up: stop training when a metric worsens several times in a row."""

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
    update_best,
)
from goodfit.technique import knob


class Up(OnEpoch):
    """Stops training when the monitored column has worsened over several consecutive strips of epochs, by any amount.

    Formula: Prechelt's UP_s. At the end of each strip of k = `strip` epochs, E(t) > E(t − k) counts as worse (if higher
    is better, E(t) < E(t − k)); training stops after s = `strips` worse strips in a row. A value that is not finite
    counts as worse.

    Shape: one row of the History per epoch; the loss columns hold the data loss without penalties.

    Helps when: overfitting is slow and steady; the size of the changes does not matter.
    Hurts when: the curve rises with dips in between; each dip resets the count.

    >>> rule, state = Up(strips=2, strip=1), Up().start()
    >>> for epoch, loss in enumerate([0.5, 0.4, 0.41, 0.42], start=1):
    ...     state, decision = rule.observe(state, epoch, {"stop_loss": loss})
    >>> decision
    Decision(stop=True, reason='stop_loss has worsened over 2 strips of 1 epochs in a row (best: epoch 2)')
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
    strips: int = knob(
        default=3, low=1, search=(1, 8), neutral=10**9, unit="strips", doc="consecutive strips that must worsen"
    )
    strip: int = knob(default=5, low=1, search=(1, 10), unit="epochs", doc="length of a strip")
    monitor: str = monitor_knob()
    mode: str = mode_knob()
    restore_best_weights: bool = restore_best_weights_knob()
    start_from_epoch: int = start_from_epoch_knob()

    def monitor_spec(self) -> MonitorSpec:
        return monitor_spec(self.monitor, self.mode, self.start_from_epoch, self.restore_best_weights)

    def start(self) -> StopState:
        return {"best": None, "best_epoch": 0, "before": None, "ups": 0}

    def observe(self, state: StopState, epoch: int, metrics: Mapping[str, float]) -> tuple[StopState, Decision]:
        spec = self.monitor_spec()
        if epoch <= spec.start_from_epoch:
            return state, Decision(stop=False)
        value = metrics[spec.monitor]
        best = update_best(state, spec, epoch, value)
        if (epoch - spec.start_from_epoch) % self.strip:
            return {**best, "before": state["before"], "ups": state["ups"]}, Decision(stop=False)
        before = None if state["before"] is None else float(state["before"])
        up = before is not None and (not math.isfinite(value) or spec.is_better(before, value))
        ups = state["ups"] + 1 if up else 0
        after = {**best, "before": value, "ups": ups}
        if ups < self.strips:
            return after, Decision(stop=False)
        reason = f"{spec.monitor} has worsened over {ups} strips of {self.strip} epochs in a row"
        return after, Decision(stop=True, reason=f"{reason} (best: epoch {best['best_epoch']})")
