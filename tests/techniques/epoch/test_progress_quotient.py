"""Prechelt's PQ on recorded curves, computed by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf, nan

import pytest

from goodfit.techniques import ProgressQuotient

Curve = Sequence[tuple[float, float]]


def stops_at(rule: ProgressQuotient, curve: Curve, columns: tuple[str, str] = ("train_loss", "stop_loss")) -> int:
    """The epoch at which it stops on a curve of (training, stop) values; 0: never."""
    state = rule.start()
    for epoch, row in enumerate(curve, start=1):
        state, decision = rule.observe(state, epoch, dict(zip(columns, row, strict=True)))
        assert json.loads(json.dumps(state)) == state
        assert bool(decision.reason) == decision.stop
        if decision.stop:
            return epoch
    return 0


#       strips of 3: epochs 1 to 3, 4 to 6, 7 to 9
CURVE = [
    (3.0, 1.00), (2.0, 0.90), (1.0, 0.95),  # P = 1000 (6/3 − 1) = 1000, GL = 5.56
    (0.9, 0.80), (0.85, 0.99), (0.8, 0.88),  # P = 1000 (2.55/2.4 − 1) = 62.5, GL = 10
    (0.8, 0.88), (0.8, 0.88), (0.79, 0.84),  # P = 1000 (2.39/2.37 − 1) = 8.44, GL = 5
]  # fmt: skip


def test_recorded_curve() -> None:
    """PQ at the ends of the strips: 0.00556, 0.16, 0.5925. The 0.99 of epoch 5 is inside a strip."""
    for alpha, stop in ((0.005, 3), (0.0056, 6), (0.159, 6), (0.161, 9), (0.592, 9), (0.593, 0), (inf, 0)):
        assert stops_at(ProgressQuotient(alpha, strip=3), CURVE) == stop
    assert stops_at(ProgressQuotient(0.005, strip=4), CURVE[:7]) == 0  # epoch 4 is the best
    # Strips of 4 end at 8: GL = 10, P = 1000 (3.25/3.2 − 1) = 15.6.
    assert stops_at(ProgressQuotient(0.63, strip=4), CURVE) == 8
    assert stops_at(ProgressQuotient(0.65, strip=4), CURVE) == 0


def test_strips_start_at_start_from_epoch() -> None:
    # From epoch 5 on: strip 5 to 7 has GL = 0; strip 8 to 10 is not complete.
    assert stops_at(ProgressQuotient(1e-9, strip=3, start_from_epoch=4), CURVE) == 0
    # From epoch 4 on: strips 4 to 6 and 7 to 9 as above; the best value is still that of epoch 4.
    assert stops_at(ProgressQuotient(0.159, strip=3, start_from_epoch=3), CURVE) == 6


def test_without_progress_any_worsening_stops() -> None:
    flat = [(0.1, 0.5), (0.1, 0.5), (0.1, 0.5)]  # the floating-point mean of three 0.1 is not exactly 0.1
    assert stops_at(ProgressQuotient(3.0, strip=3), [*flat, *flat]) == 0
    assert stops_at(ProgressQuotient(3.0, strip=3), [*flat[:2], (0.1, 0.500001)]) == 3
    assert stops_at(ProgressQuotient(inf, strip=3), [*flat[:2], (0.1, 0.6)]) == 0


def test_if_higher_is_better() -> None:
    """GL = 100 (1 − 0.6/0.8) = 25; P = 1000 (1 − 0.75/0.9) = 166.7; PQ = 0.15."""
    curve = [(0.6, 0.8), (0.9, 0.6)]
    for monitor in ("stop_accuracy", "val_accuracy"):
        for alpha, stop in ((0.149, 2), (0.151, 0)):
            rule = ProgressQuotient(alpha, strip=2, monitor=monitor)
            assert stops_at(rule, curve, ("train_accuracy", "stop_accuracy")) == stop


def test_does_not_stop_while_the_training_loss_is_not_positive() -> None:
    assert stops_at(ProgressQuotient(0.01, strip=2), [(0.5, 0.5), (0.0, 0.9)]) == 0
    assert stops_at(ProgressQuotient(0.01, strip=2), [(-0.5, 0.5), (-0.6, 0.9)]) == 0


def test_values_that_are_not_finite() -> None:
    assert stops_at(ProgressQuotient(3.0, strip=2), [(0.5, 0.5), (0.4, inf)]) == 2
    assert stops_at(ProgressQuotient(inf, strip=2), [(0.5, 0.5), (0.4, inf)]) == 0
    assert stops_at(ProgressQuotient(0.001, strip=2), [(0.5, 0.5), (inf, 0.6)]) == 0


def test_state_read_back_from_strict_json() -> None:
    """State files store values that are not finite as text."""
    rule = ProgressQuotient(0.001, strip=3)
    state = {"best": 0.5, "best_epoch": 1, "strip": ["nan", 0.5]}
    after, decision = rule.observe(state, 3, {"train_loss": 0.4, "stop_loss": 0.6})
    assert (after["strip"], decision.stop) == ([], False)


def test_state_is_not_modified() -> None:
    rule, state = ProgressQuotient(strip=2), ProgressQuotient().start()
    after, _ = rule.observe(state, 1, {"train_loss": 0.5, "stop_loss": 0.5})
    assert state == rule.start()
    assert after == {"best": 0.5, "best_epoch": 1, "strip": [0.5]}
    assert rule.observe(after, 2, {"train_loss": nan, "stop_loss": 0.4})[0]["strip"] == []
    assert after["strip"] == [0.5]


@pytest.mark.parametrize(("monitor", "columns"), [("train_loss", ["train_loss"]), ("batch_loss", ["batch_loss"])])
def test_training_column_as_monitor_measures_its_own_progress(monitor: str, columns: list[str]) -> None:
    rule = ProgressQuotient(0.01, strip=2, monitor=monitor)
    state, _ = rule.observe(rule.start(), 1, dict.fromkeys(columns, 0.4))
    # GL = 100 (0.5/0.4 − 1) = 25; P = 1000 (0.45/0.4 − 1) = 125; PQ = 0.2
    assert rule.observe(state, 2, dict.fromkeys(columns, 0.5))[1].stop


def test_only_the_prefix_names_the_part() -> None:
    rule, row = ProgressQuotient(monitor="nonstop_loss", strip=2), {"nonstop_loss": 1.0}
    state, _ = rule.observe(rule.start(), 1, row)
    assert state["strip"] == [1.0]
