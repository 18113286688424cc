from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.linter import LintMessage, norms

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_tiny_batches_fires(one: One, normed: nn.Sequential) -> None:
    message = one(norms.tiny_batches, "batch_norm", batch_size=8)
    assert (message.techniques, message.where) == (("batch_norm", "batch_norm"), ("0", "2"))
    assert str(message).startswith("warning: batch_norm at 0, 2: a batch norm sees 8 rows")
    assert one(norms.tiny_batches, "", normed, batch_size=15).where == ("1", "4")
    assert "8 rows" in one(norms.tiny_batches, "batch_norm", batch_size=64, accumulate=8).reason
    assert "9 rows" in one(norms.tiny_batches, "batch_norm", batch_size=64, rows=9).reason


def test_tiny_batches_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(norms.tiny_batches, "batch_norm", batch_size=16) == []
    assert ask(norms.tiny_batches, "batch_norm") == []  # not known
    assert ask(norms.tiny_batches, "layer_norm", batch_size=2) == []
    assert ask(norms.tiny_batches, "", normed.requires_grad_(False), batch_size=2) == []  # frozen statistics


def test_accumulated_fires(one: One) -> None:
    assert "not that of one batch of 64" in one(norms.accumulated, "batch_norm", batch_size=64, accumulate=2).reason


def test_accumulated_is_silent(ask: Ask) -> None:
    assert ask(norms.accumulated, "batch_norm", batch_size=64) == []
    assert ask(norms.accumulated, "layer_norm", batch_size=64, accumulate=2) == []


def test_ghost_size_fires(one: One) -> None:
    assert "not smaller" in one(norms.ghost_size, "ghost_batch_norm=32", batch_size=32).reason
    assert "noisy" in one(norms.ghost_size, "ghost_batch_norm=8", batch_size=64).reason


def test_ghost_size_is_silent(ask: Ask) -> None:
    assert ask(norms.ghost_size, "ghost_batch_norm=32", batch_size=64) == []
    assert ask(norms.ghost_size, "batch_norm", batch_size=2) == []


def test_twice_fires(one: One, normed: nn.Sequential) -> None:
    assert one(norms.twice, "batch_norm", normed).where == ("0", "1", "3", "4")
    assert one(norms.twice, "batch_norm, layer_norm").techniques == ("batch_norm", "layer_norm")


def test_twice_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(norms.twice, "batch_norm") == []
    assert ask(norms.twice, "batch_norm(on='kernel 0'), layer_norm(on='kernel 2')") == []
    double = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2))
    assert ask(norms.twice, "", double) == []  # the user's own affair
