"""Prechelt's GL on recorded curves, computed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import inf, nan

import pytest
from torch import nn

from goodfit.data import Split
from goodfit.techniques import GeneralizationLoss
from goodfit.train.config import Training
from goodfit.train.fit import fit


def stops_at(rule: GeneralizationLoss, curve: Sequence[float], column: str = "stop_loss") -> tuple[int, int]:
    """The epoch at which it stops (0: never) and its best epoch."""
    state = rule.start()
    for epoch, value in enumerate(curve, start=1):
        state, decision = rule.observe(json.loads(json.dumps(state)), epoch, {column: value})
        assert bool(decision.reason) == decision.stop
        if decision.stop:
            return epoch, state["best_epoch"]
    return 0, state["best_epoch"]


#         epoch  1    2    3     4     5    6     7     8
CURVE = [1.0, 0.8, 0.82, 0.84, 0.79, 0.5, 0.53, 0.56]
#  GL in %  0    0    2.5   5     0    0    6    12


@pytest.mark.parametrize(
    ("alpha", "stop", "best"), [(2.0, 3, 2), (4.9, 4, 2), (5.1, 7, 6), (6.1, 8, 6), (12.1, 0, 6), (inf, 0, 6)]
)
def test_recorded_curve(alpha: float, stop: int, best: int) -> None:
    assert stops_at(GeneralizationLoss(alpha), CURVE) == (stop, best)


def test_stops_only_above_the_bound() -> None:
    assert stops_at(GeneralizationLoss(50.0), [2.0, 3.0]) == (0, 1)  # exactly 50 %
    assert stops_at(GeneralizationLoss(49.99), [2.0, 3.0]) == (2, 1)


def test_if_higher_is_better_loss_is_the_relative_decrease() -> None:
    """0.8 → 0.7 is a decrease by 12.5 %, 0.8 → 0.76 by 5 %."""
    curve = [0.5, 0.8, 0.76, 0.7]
    assert stops_at(GeneralizationLoss(12.0, "val_accuracy"), curve, "stop_accuracy") == (4, 2)
    assert stops_at(GeneralizationLoss(12.6, "val_accuracy"), curve, "stop_accuracy") == (0, 2)
    assert stops_at(GeneralizationLoss(4.9, mode="max"), curve) == (3, 2)


def test_epochs_before_start_from_epoch_do_not_count() -> None:
    assert stops_at(GeneralizationLoss(4.9, start_from_epoch=3), CURVE) == (7, 6)
    assert stops_at(GeneralizationLoss(0.1, start_from_epoch=2), CURVE) == (4, 3)


def test_does_not_stop_while_the_best_value_is_not_positive() -> None:
    """A worse value never counts as better, nor a better value as worse."""
    assert stops_at(GeneralizationLoss(5.0), [0.1, 0.0, 0.5, -1.0, -0.2, 3.0]) == (0, 4)
    assert stops_at(GeneralizationLoss(5.0, "stop_r2"), [-3.0, -9.0, -1.0, -2.0, 0.5, 0.4], "stop_r2") == (6, 5)


def test_value_that_is_not_finite_is_infinitely_worse() -> None:
    for bad in (nan, inf, -inf):
        for mode in ("min", "max"):
            assert stops_at(GeneralizationLoss(1e6, mode=mode), [0.5, bad]) == (2, 1)
            assert stops_at(GeneralizationLoss(inf, mode=mode), [0.5, bad, 0.5]) == (0, 1)
    assert stops_at(GeneralizationLoss(5.0), [nan, nan, 0.5, 0.6]) == (4, 3)  # no best value yet


def test_run_stops_where_its_curve_predicts(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = {"epochs": 25, "batch_size": 16, "learning_rate": 0.05}
    curve = fit(make_net(), three_class_split, "", Training(**settings)).history["stop_loss"]
    stopped = set()
    for alpha in (2.0, 10.0):
        losses = [100 * (value / min(curve[: i + 1]) - 1) for i, value in enumerate(curve)]
        stop = next(i for i, worse in enumerate(losses, start=1) if worse > alpha)
        run = fit(make_net(), three_class_split, GeneralizationLoss(alpha), Training(**settings))
        best = 1 + curve.index(min(curve[:stop]))
        assert (run.epochs, run.best_epoch, run.kept_epoch) == (stop, best, best)
        assert "% worse than its best" in run.stopped
        stopped.add(stop)
    assert len(stopped) == 2
