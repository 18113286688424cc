from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.linter import LintMessage, gradients

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


def test_sam_with_batch_norm_fires(one: One, normed: nn.Sequential) -> None:
    assert one(gradients.sam_with_batch_norm, "sam", normed).where == ("1", "4")


def test_sam_with_batch_norm_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(gradients.sam_with_batch_norm, "sam, layer_norm") == []
    assert ask(gradients.sam_with_batch_norm, "sam=0.0", normed) == []


def test_sam_with_accumulation_fires(one: One) -> None:
    assert "in 4 parts" in one(gradients.sam_with_accumulation, "sam", accumulate=4).reason


def test_sam_with_accumulation_is_silent(ask: Ask) -> None:
    assert ask(gradients.sam_with_accumulation, "sam") == []
    assert ask(gradients.sam_with_accumulation, "clip_grad_norm", accumulate=4) == []


def test_small_norm_under_adam_fires(one: One) -> None:
    assert one(gradients.small_norm_under_adam, "clip_grad_norm=0.01", optimizer="adam").severity == "note"


def test_small_norm_under_adam_is_silent(ask: Ask) -> None:
    assert ask(gradients.small_norm_under_adam, "clip_grad_norm=1.0", optimizer="adam") == []
    assert ask(gradients.small_norm_under_adam, "clip_grad_norm=0.01") == []  # the optimizer is unknown
    assert ask(gradients.small_norm_under_adam, "clip_grad_norm=0.01", optimizer="sgd") == []


def test_clipping_with_bounded_loss_fires(one: One) -> None:
    assert one(gradients.clipping_with_bounded_loss, "clip_grad_value", loss="huber").techniques == ("clip_grad_value",)


def test_clipping_with_bounded_loss_is_silent(ask: Ask) -> None:
    assert ask(gradients.clipping_with_bounded_loss, "clip_grad_norm", loss="mse") == []
    assert ask(gradients.clipping_with_bounded_loss, "gradient_noise", loss="huber") == []
