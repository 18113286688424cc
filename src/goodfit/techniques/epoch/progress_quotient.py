"""Progress quotient: stop training by Prechelt's PQ criterion."""

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
    train_column,
    update_best,
)
from goodfit.technique import knob


class ProgressQuotient(OnEpoch):
    """Stops training when the monitored column worsens by more than the recent training progress justifies.

    Formula: at the end of each strip of k = `strip` epochs, training stops if GL / P > alpha, with
    GL = 100 · (E / E_best − 1) and
    P = 1000 · (mean / lowest − 1).
    E is the value of the monitored column, and E_best its lowest value so far. P is the progress: mean and lowest value
    are those of the matching training column (train_loss for stop_loss) over the strip. If higher is better,
    GL = 100 · (1 − E / E_best) and P = 1000 · (1 − mean / highest). alpha = inf never stops. While a best value is not
    above zero, its ratio is undefined and training does not stop.

    Shape: one row of the History per epoch; the loss columns hold the data loss without penalties.

    Helps when: training still makes progress while the stop loss is slightly above its minimum, because it may fall
    again.
    Hurts when: training is unstable (jumps of the curve look like progress), or the loss can be negative.

    >>> rule, state = ProgressQuotient(alpha=1.0, strip=2), ProgressQuotient().start()
    >>> for epoch, (train, stop) in enumerate([(0.5, 0.5), (0.4, 0.4), (0.391, 0.41), (0.389, 0.42)], start=1):
    ...     state, decision = rule.observe(state, epoch, {"train_loss": train, "stop_loss": stop})
    >>> decision.stop, decision.reason  # GL = 5, P = 2.57
    (True, 'stop_loss is 5 % worse than its best (epoch 2), with a progress of 2.57 ‰ in train_loss')

    Differs from the paper: E_best is the lowest value of all epochs, not only of the ends of strips; the training loss
    is measured at the end of each epoch, in evaluation mode. The search range starts below the paper's 0.5, because
    progress is faster with Adam.
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
        doc="bound on the generalization loss per unit of progress",
    )
    strip: int = knob(
        default=5, low=2, search=(3, 10), unit="epochs", doc="length of a strip, over which progress is measured"
    )
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
        value, column = metrics[watch.monitor], train_column(watch.monitor)
        strip = [*map(float, state["strip"]), metrics[column]]
        best = update_best(state, watch, epoch, value)
        if len(strip) < self.strip:
            return {**best, "strip": strip}, Decision(stop=False)
        worse, progress = percent_worse(watch, value, best["best"]), _progress(strip, watch.mode)
        after = {**best, "strip": []}
        if not worse > self.alpha * progress:  # not "<=": infinite alpha times zero progress is NaN
            return after, Decision(stop=False)
        reason = f"{watch.monitor} is {worse:.3g} % worse than its best (epoch {best['best_epoch']})"
        return after, Decision(stop=True, reason=f"{reason}, with a progress of {progress:.3g} ‰ in {column}")


def _progress(strip: Sequence[float], mode: str) -> float:
    """How far, in per mille, the mean of a strip is worse than its best value; infinite if the ratio is undefined."""
    best, mean = min(strip) if mode == "min" else max(strip), sum(strip) / len(strip)
    if best <= 0 or not math.isfinite(mean):
        return math.inf
    return max(0.0, 1000 * (mean / best - 1 if mode == "min" else 1 - mean / best))  # not negative by rounding
