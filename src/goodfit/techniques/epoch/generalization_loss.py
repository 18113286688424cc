"""Stopping by the generalization loss."""

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
    """Stops as soon as the monitored column is more than `alpha` percent worse than its best.

    Formula: GL(t) = 100 · (E(t) / E_best(t) − 1), E_best the lowest value so far; it stops after the first epoch with
    GL > alpha. Where more is better, GL(t) = 100 · (1 − E(t) / E_best(t)). alpha = inf never stops. A value that is not
    finite is endlessly worse. There is no ratio to a best value that is not above zero: as long as that is so, it does
    not stop.

    Shape: one row of the History per epoch; monitors see the data loss, never the penalties.

    Helps when: a good solution should not be missed; Prechelt's GL finds one more often than the faster criteria.
    Hurts when: the curve is noisy (one bad epoch ends training: raise alpha), or is a loss that may be negative.

    >>> rule, state = GeneralizationLoss(alpha=5.0), GeneralizationLoss().start()
    >>> for epoch, loss in enumerate([0.5, 0.4, 0.41, 0.43], start=1):
    ...     state, decision = rule.observe(state, epoch, {"stop_loss": loss})
    >>> decision
    Decision(stop=True, reason='stop_loss is 7.5 % worse than at its best (epoch 2)')
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
        doc="how much worse than the best it may become",
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
        said = f"{watch.monitor} is {worse:.3g} % worse than at its best (epoch {after['best_epoch']})"
        return after, Decision(stop=True, reason=said)
