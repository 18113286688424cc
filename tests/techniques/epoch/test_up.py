"""Prechelt's UP on recorded curves, computed by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from math import inf, nan

import pytest

from goodfit.techniques import Up


def stops_at(rule: Up, curve: Sequence[float], column: str = "stop_loss") -> int:
    """The epoch at which it stops; 0: never."""
    state = rule.start()
    for epoch, value in enumerate(curve, start=1):
        state, decision = rule.observe(state, epoch, {column: value})
        assert bool(decision.reason) == decision.stop
        if decision.stop:
            return epoch
    return 0


#        epoch   1    2    3    4    5    6    7    8    9   10   11   12
CURVE = [0.9, 0.5, 0.6, 0.6, 0.4, 0.7, 0.8, 0.9, 0.3, 0.8, 0.1, 1.0]


@pytest.mark.parametrize(
    ("strips", "strip", "stop"),
    [
        (1, 1, 3),  # 0.6 > 0.5
        (2, 1, 7),  # 5 to 7; at 4 it is equal, at 5 lower
        (3, 1, 8),
        (4, 1, 0),
        (1, 2, 4),  # at 2, 4, 6, … 0.5, 0.6, 0.7, 0.9, 0.8, 1.0; values in between do not matter
        (2, 2, 6),
        (3, 2, 8),
        (4, 2, 0),
        (1, 3, 6),  # at 3, 6, 9, 12: 0.6, 0.7, 0.3, 1.0
        (2, 3, 0),
        (1, 5, 10),
        (1, 6, 12),
        (10**9, 1, 0),
    ],
)
def test_recorded_curve(strips: int, strip: int, stop: int) -> None:
    assert stops_at(Up(strips, strip), CURVE) == stop
    assert stops_at(Up(strips, strip, mode="max"), [-value for value in CURVE]) == stop


def prechelt(curve: Sequence[float], s: int, k: int) -> int:
    """UP_s stops after epoch t if UP_(s−1) stops after epoch t − k and E(t) > E(t − k); UP_1 uses ends of strips."""

    def stops(t: int, s: int) -> bool:
        if t - k < 1 or not curve[t - 1] > curve[t - k - 1]:
            return False
        return t % k == 0 if s == 1 else stops(t - k, s - 1)

    return next((t for t in range(1, len(curve) + 1) if stops(t, s)), 0)


def test_equals_the_recursive_definition_on_random_curves() -> None:
    draw, stopped = random.Random(0), 0
    for _ in range(300):
        curve = [draw.choice((0.1, 0.2, 0.3)) + 0.02 * i for i in range(30)]
        for s in (1, 2, 3):
            for k in (1, 2, 5):
                stop = stops_at(Up(s, k), curve)
                assert stop == prechelt(curve, s, k)
                stopped += stop > 0
    assert 500 < stopped < 2700  # of 2,700


def test_strips_start_at_start_from_epoch() -> None:
    assert stops_at(Up(1, 3, start_from_epoch=2), CURVE) == 8  # ends at 5, 8: 0.4, 0.9
    assert stops_at(Up(1, 1, start_from_epoch=3), CURVE) == 6


def test_direction_follows_the_column_name() -> None:
    assert stops_at(Up(1, 1, monitor="val_accuracy"), [0.5, 0.6, 0.55], "stop_accuracy") == 3


def test_value_that_is_not_finite_counts_as_worse() -> None:
    assert stops_at(Up(1, 1), [0.5, nan]) == 2
    assert stops_at(Up(2, 1), [0.5, inf, 0.4, inf, 0.4]) == 0
    assert stops_at(Up(2, 1, mode="max"), [0.5, inf, nan]) == 3
    assert stops_at(Up(1, 1), [nan, 0.5, 0.4]) == 0  # the first value has no predecessor


def test_state_is_plain_data_and_is_not_modified() -> None:
    rule, state = Up(2, 1), Up().start()
    after, _ = rule.observe(state, 1, {"stop_loss": 0.5})
    assert state == rule.start()
    assert json.loads(json.dumps(after)) == after == {"best": 0.5, "best_epoch": 1, "before": 0.5, "ups": 0}
    read_back = {**after, "before": "inf"}  # state files store values that are not finite as text
    assert rule.observe(read_back, 2, {"stop_loss": 0.6})[0]["ups"] == 0
