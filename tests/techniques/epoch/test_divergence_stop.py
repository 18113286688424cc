from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan

import pytest
from torch import nn

from goodfit.data import Split
from goodfit.techniques import DivergenceStop
from goodfit.train.config import Training
from goodfit.train.fit import fit


def stops_at(rule: DivergenceStop, curve: Sequence[float], column: str = "stop_loss") -> tuple[int, str]:
    """The epoch at which it stops (0: never), and why."""
    state = rule.start()
    for epoch, value in enumerate(curve, start=1):
        state, decision = rule.observe(state, epoch, {column: value})
        assert state == {}
        if decision.stop:
            return epoch, decision.reason
    return 0, ""


CURVE = [1.5, 2.0, 1.0, 3.0, 0.5]


def test_stops_above_the_threshold() -> None:
    assert stops_at(DivergenceStop(1.75), CURVE) == (2, "stop_loss is 2, worse than the threshold 1.75")
    assert stops_at(DivergenceStop(2.0), CURVE)[0] == 4  # the threshold itself is allowed
    assert stops_at(DivergenceStop(3.0), CURVE)[0] == 0
    mirrored = [-value for value in CURVE]
    assert stops_at(DivergenceStop(-2.0, mode="max"), mirrored)[0] == 4
    assert stops_at(DivergenceStop(0.6, monitor="val_accuracy"), [0.7, 0.6, 0.5], "stop_accuracy")[0] == 3


def test_stops_at_the_target_value() -> None:
    assert stops_at(DivergenceStop(reach=1.0), CURVE) == (3, "stop_loss is 1, which reaches the target 1")
    assert stops_at(DivergenceStop(reach=0.6), CURVE)[0] == 5
    assert stops_at(DivergenceStop(reach=0.4), CURVE)[0] == 0
    score = {"monitor": "stop_accuracy", "threshold": inf}
    assert stops_at(DivergenceStop(reach=0.9, **score), [0.7, 0.9, 0.8], "stop_accuracy")[0] == 2
    assert stops_at(DivergenceStop(reach=0.95, **score), [0.7, 0.9, 0.8], "stop_accuracy")[0] == 0


def test_the_first_bound_that_is_reached_counts() -> None:
    assert stops_at(DivergenceStop(2.5, reach=0.5), CURVE)[0] == 4
    assert stops_at(DivergenceStop(3.5, reach=0.5), CURVE)[0] == 5


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_values_that_are_not_finite_count_as_divergence(bad: float, mode: str) -> None:
    """A loss of minus infinity counts as diverged, not as good."""
    threshold = 10.0 if mode == "min" else -10.0
    outcome = stops_at(DivergenceStop(threshold, reach=inf, mode=mode), [1.5, bad, 1.5])
    assert outcome == (2, f"stop_loss is {bad}, worse than the threshold {threshold:g}")
    assert stops_at(DivergenceStop(inf, reach=0.0 if mode == "min" else 9.0, mode=mode), [1.5, bad, 1.5])[0] == 0


def test_epochs_before_start_from_epoch_do_not_count() -> None:
    assert stops_at(DivergenceStop(1.75, start_from_epoch=2), CURVE)[0] == 4


def test_diverging_run_is_stopped(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = {"epochs": 12, "batch_size": 16, "learning_rate": 0.1}
    curve = fit(make_net(gain=3.0), three_class_split, "", Training(**settings)).history["stop_loss"]
    stop = next(i for i, value in enumerate(curve, start=1) if value > 1.25)
    assert 1 < stop < 12
    run = fit(make_net(gain=3.0), three_class_split, DivergenceStop(1.25), Training(**settings))
    assert run.epochs == stop
    assert run.best_epoch == run.kept_epoch == 1 + curve.index(min(curve[:stop]))
    assert "worse than the threshold 1.25" in run.stopped
