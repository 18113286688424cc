from __future__ import annotations

from collections.abc import Callable

from goodfit.linter import LintMessage, stopping

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_monitors_training_data_fires(one: One) -> None:
    for monitor in ("train_loss", "batch_loss", "train_accuracy"):
        assert monitor in one(stopping.monitors_training_data, f"early_stopping(5, monitor={monitor})").reason


def test_monitors_training_data_is_silent(ask: Ask) -> None:
    for monitor in ("stop_loss", "val_loss", "stop_accuracy"):
        assert ask(stopping.monitors_training_data, f"early_stopping(5, monitor={monitor})") == []
    assert ask(stopping.monitors_training_data, "divergence_stop(monitor=train_loss)") == []


def test_coarse_accuracy_fires(one: One) -> None:
    message = one(stopping.coarse_accuracy, "early_stopping(5, monitor=val_accuracy)", stop_rows=100)
    assert "on 100 rows, stop_accuracy changes in steps of 0.01" in message.reason


def test_coarse_accuracy_is_silent(ask: Ask) -> None:
    assert ask(stopping.coarse_accuracy, "early_stopping(5, monitor=val_accuracy)", stop_rows=500) == []
    assert ask(stopping.coarse_accuracy, "early_stopping(5, monitor=val_accuracy)") == []
    assert ask(stopping.coarse_accuracy, "early_stopping=5", stop_rows=10) == []


def test_never_stops_fires(one: One) -> None:
    assert "within 10" in one(stopping.never_stops, "early_stopping(6, start_from_epoch=4)", epochs=10).reason


def test_never_stops_is_silent(ask: Ask) -> None:
    assert ask(stopping.never_stops, "early_stopping=9", epochs=10) == []
    assert ask(stopping.never_stops, "early_stopping=100") == []


def test_keeps_last_weights_fires(one: One) -> None:
    assert one(stopping.keeps_last_weights, "early_stopping(5, restore_best_weights=false)").severity == "note"


def test_keeps_last_weights_is_silent(ask: Ask) -> None:
    for recipe in ("early_stopping=5", "l2", "divergence_stop"):
        assert ask(stopping.keeps_last_weights, recipe) == []


def test_late_schedule_with_stopping_fires(one: One) -> None:
    message = one(stopping.late_schedule_with_stopping, "dropout(0.2, schedule=late), early_stopping=5")
    assert message.techniques == ("dropout", "early_stopping")


def test_late_schedule_with_stopping_is_silent(ask: Ask) -> None:
    assert ask(stopping.late_schedule_with_stopping, "dropout(0.2, schedule=late)") == []
    assert ask(stopping.late_schedule_with_stopping, "dropout(0.2, schedule=early), early_stopping=5") == []


def test_an_empty_stop_part(ask: Ask) -> None:
    assert ask(stopping.coarse_accuracy, "early_stopping(monitor=stop_accuracy)", stop_rows=0) == []
