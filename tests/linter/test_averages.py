from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.linter import LintMessage, averages

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_several_averages_fires(one: One) -> None:
    message = one(averages.several_averages, "ema, lookahead")
    assert (message.severity, message.techniques) == ("error", ("ema", "lookahead"))


def test_several_averages_is_silent(ask: Ask) -> None:
    assert ask(averages.several_averages, "ema, early_stopping") == []
    assert ask(averages.several_averages, "ema=0.0, swa") == []


def test_stale_statistics_fires(one: One, normed: nn.Sequential) -> None:
    assert one(averages.stale_statistics, "swa", normed).severity == "note"
    assert one(averages.stale_statistics, "ema", normed, manual_loop=True).severity == "warning"


def test_stale_statistics_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(averages.stale_statistics, "ema", normed, manual_loop=False) == []
    assert ask(averages.stale_statistics, "ema, layer_norm") == []
    assert ask(averages.stale_statistics, "l2", normed) == []


def test_long_memory_fires(one: One) -> None:
    assert "after 10 epochs, 50%" in one(averages.long_memory, "ema=10.0", epochs=10).reason
    assert "at most 1.7 epochs" in one(averages.long_memory, "ema=10.0", epochs=10).remedy


def test_long_memory_is_silent(ask: Ask) -> None:
    assert ask(averages.long_memory, "ema=1.0", epochs=3) == []  # an eighth is left
    assert ask(averages.long_memory, "ema=100.0") == []


def test_one_epoch_averaged_fires(one: One) -> None:
    assert "only the last epoch" in one(averages.one_epoch_averaged, "swa=0.75", epochs=3).reason


def test_one_epoch_averaged_is_silent(ask: Ask) -> None:
    assert ask(averages.one_epoch_averaged, "swa=0.75", epochs=4) == []  # the ends of epochs 3 and 4
    assert ask(averages.one_epoch_averaged, "swa=0.75") == []


def test_short_cycles_fires(one: One) -> None:
    assert "each of the 5 cycles has 2 epochs" in one(averages.short_cycles, "snapshot_ensemble=5", epochs=10).reason


def test_short_cycles_is_silent(ask: Ask) -> None:
    assert ask(averages.short_cycles, "snapshot_ensemble=5", epochs=15) == []
    assert ask(averages.short_cycles, "snapshot_ensemble=5") == []


def test_stopping_before_average_fires(one: One) -> None:
    swa = one(averages.stopping_before_average, "swa, early_stopping")
    assert (swa.techniques, "Averaging" in str(swa.citation), "averaging period" in swa.remedy) == (
        ("swa", "early_stopping"),
        True,
        True,
    )
    cycles = one(averages.stopping_before_average, "up, snapshot_ensemble")
    assert ("restart" in cycles.reason, "Snapshot" in str(cycles.citation), "a cycle" in cycles.remedy) == (
        True,
        True,
        True,
    )


def test_stopping_before_average_is_silent(ask: Ask) -> None:
    for recipe in ("swa", "early_stopping, ema", "swa, divergence_stop"):
        assert ask(averages.stopping_before_average, recipe) == []
