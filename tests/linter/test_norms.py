from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.linter import LintMessage, norms

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_small_batches_fires(one: One, normed: nn.Sequential) -> None:
    message = one(norms.small_batches, "batch_norm", batch_size=8)
    assert (message.techniques, message.where) == (("batch_norm",), ("0", "2"))
    assert str(message).startswith("warning: batch_norm at 0, 2: batch norm sees 8 rows")
    assert one(norms.small_batches, "", normed, batch_size=15).where == ("1", "4")
    assert "8 rows" in one(norms.small_batches, "batch_norm", batch_size=64, accumulate=8).reason
    assert "9 rows" in one(norms.small_batches, "batch_norm", batch_size=64, rows=9).reason


def test_small_batches_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(norms.small_batches, "batch_norm", batch_size=16) == []
    assert ask(norms.small_batches, "batch_norm") == []  # not known
    assert ask(norms.small_batches, "layer_norm", batch_size=2) == []
    assert ask(norms.small_batches, "", normed.requires_grad_(False), batch_size=2) == []  # frozen statistics


def test_batch_norm_with_accumulation_fires(one: One) -> None:
    assert (
        "differs from that of one batch of 64"
        in one(norms.batch_norm_with_accumulation, "batch_norm", batch_size=64, accumulate=2).reason
    )


def test_batch_norm_with_accumulation_is_silent(ask: Ask) -> None:
    assert ask(norms.batch_norm_with_accumulation, "batch_norm", batch_size=64) == []
    assert ask(norms.batch_norm_with_accumulation, "layer_norm", batch_size=64, accumulate=2) == []


def test_ghost_batch_size_fires(one: One) -> None:
    assert "not smaller" in one(norms.ghost_batch_size, "ghost_batch_norm=32", batch_size=32).reason
    assert "noisy" in one(norms.ghost_batch_size, "ghost_batch_norm=8", batch_size=64).reason


def test_ghost_batch_size_is_silent(ask: Ask) -> None:
    assert ask(norms.ghost_batch_size, "ghost_batch_norm=32", batch_size=64) == []
    assert ask(norms.ghost_batch_size, "batch_norm", batch_size=2) == []


def test_two_normalizations_fires(one: One, normed: nn.Sequential) -> None:
    assert one(norms.two_normalizations, "batch_norm", normed).where == ("0", "1", "3", "4")
    assert one(norms.two_normalizations, "batch_norm, layer_norm").techniques == ("batch_norm", "layer_norm")


def test_two_normalizations_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(norms.two_normalizations, "batch_norm") == []
    assert ask(norms.two_normalizations, "batch_norm(on='kernel 0'), layer_norm(on='kernel 2')") == []
    double = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2))
    assert ask(norms.two_normalizations, "", double) == []  # the network is not changed by the recipe
