"""Stopping by the quotient of generalization loss and progress."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from goodfit.reference import Reference
from goodfit.stages import Decision, MonitorSpec, OnEpoch, StopState
from goodfit.stages.monitoring import (
    mode_knob,
    monitor_knob,
    monitor_spec,
    percent_worse,
    restore_best_weights_knob,
    start_from_epoch_knob,
    update_best,
)
from goodfit.technique import knob


class ProgressQuotient(OnEpoch):
    """Stops where the monitored column has worsened by more than the training curve's progress makes up for.

    Formula: it looks at the end of each strip of k = `strip` epochs and stops where GL / P > alpha, with
    GL = 100 · (E / E_best − 1), E_best the lowest value so far, and the progress P = 1000 · (mean / lowest − 1) of the
    training column (stop_loss: train_loss) over the strip. Where more is better, GL = 100 · (1 − E / E_best) and
    P = 1000 · (1 − mean / highest). alpha = inf never stops. Where a best value is not above zero there is no ratio to
    it, and it does not stop.

    Shape: one row of the History per epoch; monitors see the data loss, never the penalties.

    Helps when: training is still making progress while the stop curve is a little up: overfitting may be repaired.
    Hurts when: training is unstable (the curve's jumps look like progress), or is a loss that may be negative.

    >>> rule, state = ProgressQuotient(alpha=1.0, strip=2), ProgressQuotient().start()
    >>> for epoch, (train, stop) in enumerate([(0.5, 0.5), (0.4, 0.4), (0.391, 0.41), (0.389, 0.42)], start=1):
    ...     state, decision = rule.observe(state, epoch, {"train_loss": train, "stop_loss": stop})
    >>> decision.stop, decision.reason  # GL = 5, P = 2.57
    (True, 'stop_loss is 5 % worse than at its best (epoch 2), at a progress of 2.57 ‰ on train_loss')

    Differs from the paper: E_best is the lowest of all epochs, not of the ends of strips; training losses are measured
    at the end of each epoch, in evaluation mode. The range to search goes below its 0.5: Adam's progress is faster.
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
    alpha: float = knob(
        default=1.0,
        low=0,
        open_left=True,
        search=(0.05, 3.0),
        log=True,
        neutral=float("inf"),
        unit="percent per mille",
        doc="loss of generalization that a unit of progress makes up for",
    )
    strip: int = knob(default=5, low=2, search=(3, 10), unit="epochs", doc="epochs over which progress is measured")
    monitor: str = monitor_knob()
    mode: str = mode_knob()
    restore_best_weights: bool = restore_best_weights_knob()
    start_from_epoch: int = start_from_epoch_knob()

    def monitor_spec(self) -> MonitorSpec:
        return monitor_spec(self.monitor, self.mode, self.start_from_epoch, self.restore_best_weights)

    def start(self) -> StopState:
        return {"best": None, "best_epoch": 0, "strip": []}

    def observe(self, state: StopState, epoch: int, metrics: Mapping[str, float]) -> tuple[StopState, Decision]:
        watch = self.monitor_spec()
        if epoch <= watch.start_from_epoch:
            return state, Decision(stop=False)
        value, column = metrics[watch.monitor], watch.monitor.replace("stop_", "train_", 1)
        strip = [*map(float, state["strip"]), metrics[column]]
        best = update_best(state, watch, epoch, value)
        if len(strip) < self.strip:
            return {**best, "strip": strip}, Decision(stop=False)
        worse, progress = percent_worse(watch, value, best["best"]), _progress(strip, watch.mode)
        after = {**best, "strip": []}
        if not worse > self.alpha * progress:  # not "<=": an endless bound times no progress is not a number
            return after, Decision(stop=False)
        said = f"{watch.monitor} is {worse:.3g} % worse than at its best (epoch {best['best_epoch']})"
        return after, Decision(stop=True, reason=f"{said}, at a progress of {progress:.3g} ‰ on {column}")


def _progress(strip: Sequence[float], mode: str) -> float:
    """By how many per mille the mean of a strip is worse than its best value; endless where that has no ratio."""
    best, mean = min(strip) if mode == "min" else max(strip), sum(strip) / len(strip)
    if best <= 0 or not math.isfinite(mean):
        return math.inf
    return max(0.0, 1000 * (mean / best - 1 if mode == "min" else 1 - mean / best))  # rounding must not make it less
