"""Generalization loss: stop training by Prechelt's GL criterion."""

from __future__ import annotations

from collections.abc import Mapping

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


class GeneralizationLoss(OnEpoch):
    """Stops training as soon as the monitored column is more than `alpha` percent worse than its best value.

    Formula: GL(t) = 100 · (E(t) / E_best(t) − 1), where E(t) is the value at epoch t and E_best(t) the lowest value so
    far; training stops after the first epoch with GL > alpha. If higher is better,
    GL(t) = 100 · (1 − E(t) / E_best(t)). alpha = inf never stops. A value that is not finite counts as infinitely
    worse. While the best value is not above zero, the ratio is undefined and training does not stop.

    Shape: one row of the History per epoch; the loss columns hold the data loss without penalties.

    Helps when: a good solution must not be missed; Prechelt's GL finds one more often than the faster criteria.
    Hurts when: the curve is noisy (one bad epoch ends training; increase alpha), or the loss can be negative.

    >>> rule, state = GeneralizationLoss(alpha=5.0), GeneralizationLoss().start()
    >>> for epoch, loss in enumerate([0.5, 0.4, 0.41, 0.43], start=1):
    ...     state, decision = rule.observe(state, epoch, {"stop_loss": loss})
    >>> decision
    Decision(stop=True, reason='stop_loss is 7.5 % worse than its best (epoch 2)')
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
        default=5.0,
        low=0,
        open_left=True,
        search=(1.0, 20.0),
        log=True,
        neutral=float("inf"),
        unit="percent",
        doc="how much worse than the best the value may become",
    )
    monitor: str = monitor_knob()
    mode: str = mode_knob()
    restore_best_weights: bool = restore_best_weights_knob()
    start_from_epoch: int = start_from_epoch_knob()

    def monitor_spec(self) -> MonitorSpec:
        return monitor_spec(self.monitor, self.mode, self.start_from_epoch, self.restore_best_weights)

    def start(self) -> StopState:
        return {"best": None, "best_epoch": 0}

    def observe(self, state: StopState, epoch: int, metrics: Mapping[str, float]) -> tuple[StopState, Decision]:
        watch = self.monitor_spec()
        if epoch <= watch.start_from_epoch:
            return state, Decision(stop=False)
        value = metrics[watch.monitor]
        after = update_best(state, watch, epoch, value)
        worse = percent_worse(watch, value, after["best"])
        if worse <= self.alpha:
            return after, Decision(stop=False)
        reason = f"{watch.monitor} is {worse:.3g} % worse than its best (epoch {after['best_epoch']})"
        return after, Decision(stop=True, reason=reason)
