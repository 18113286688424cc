"""Compares EarlyStopping with Keras' callback on random curves.

Two differences are intended and not tested here: values that are not finite (Keras accepts NaN as the first best value
and then stops; here it never improves), and the restored weights (here those of the best monitored value, without
`min_delta`; see tests/techniques/epoch/test_early_stopping.py).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import pytest

from goodfit.techniques import EarlyStopping

keras = pytest.importorskip("keras")

EPOCHS = 25
Outcome = tuple[int, int, float | None]
"""Stopping epoch (from 1; 0: never), best epoch, best value."""


def of_keras(curve: Sequence[float], column: str, **knobs: Any) -> Outcome:
    callback = keras.callbacks.EarlyStopping(monitor=column, **knobs)
    model = SimpleNamespace(stop_training=False, get_weights=list, metrics=[])
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(curve):
        callback.on_epoch_end(epoch, {column: value})
        if model.stop_training:
            return epoch + 1, callback.best_epoch + 1, callback.best
    return 0, callback.best_epoch + 1, callback.best


def of_goodfit(curve: Sequence[float], column: str, baseline: float | None, **knobs: Any) -> Outcome:
    early = EarlyStopping(column, baseline=inf if baseline is None else baseline, **knobs)
    state = early.start()
    for epoch, value in enumerate(curve, start=1):
        state, decision = early.observe(state, epoch, {early.monitor_spec().monitor: value})
        if decision.stop:
            return epoch, state["best_epoch"], state["best"]
    return 0, state["best_epoch"], state["best"]


def curves(seed: int) -> list[list[float]]:
    """Noisy curves: a valley, the same below zero, a staircase with equal values, and a steady decrease.

    Values are multiples of 1/64, so that they are exact in Keras' single precision.
    """
    draw = random.Random(seed)
    valley = [abs(i - 8) / 10 + 0.3 * draw.random() for i in range(EPOCHS)]
    stairs = [1 - i // 4 / 16 + 0.25 * draw.randrange(3) for i in range(EPOCHS)]
    falls = [2 - i / 16 + 0.3 * draw.random() for i in range(EPOCHS)]
    below = [value - 1.5 for value in valley]
    return [[round(64 * value) / 64 for value in curve] for curve in (valley, below, stairs, falls)]


SETTINGS = list(
    itertools.product(
        ("min", "max"),
        (0, 1, 2, 5),  # patience
        (0.0, 0.0625, 0.25),  # min_delta
        (None, 0.375, -0.875),  # baseline
        (0, 1, 6),  # start_from_epoch
    )
)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_epochs_on_random_curves(seed: int) -> None:
    outcomes = []
    for curve in curves(seed):
        for mode, patience, min_delta, baseline, start in SETTINGS:
            values = curve if mode == "min" else [-value for value in curve]
            signed_baseline = baseline if mode == "min" or baseline is None else -baseline
            knobs = {"mode": mode, "patience": patience, "min_delta": min_delta, "baseline": signed_baseline,
                     "start_from_epoch": start}  # fmt: skip
            ours, theirs = of_goodfit(values, "val_loss", **knobs), of_keras(values, "val_loss", **knobs)
            assert ours == theirs, knobs
            outcomes.append(ours)
    assert len({stop for stop, *_ in outcomes}) > 12  # the settings matter
    assert any(stop == 0 for stop, *_ in outcomes)


def test_auto_mode_minimizes_a_loss() -> None:
    for curve in curves(3):
        knobs: dict[str, Any] = {"mode": "auto", "patience": 2, "baseline": None}
        assert of_goodfit(curve, "val_loss", **knobs) == of_keras(curve, "val_loss", **knobs)


def test_known_difference_if_the_first_value_is_nan() -> None:
    """Keras keeps a first value of NaN as the best, which no other value beats."""
    knobs: dict[str, Any] = {"mode": "min", "patience": 2, "baseline": None}
    assert of_keras([nan, 0.5, 0.4, 0.3], "val_loss", **knobs)[0] == 3
    assert of_goodfit([nan, 0.5, 0.4, 0.3], "val_loss", **knobs) == (0, 4, 0.3)
