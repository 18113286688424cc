from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from goodfit.recipe import Recipe
from goodfit.techniques import L2, WeightDecay

Steps = Callable[..., dict[str, Tensor]]
Equal = Callable[..., None]
RATE, DECAY = 0.05, 0.2


def test_equals_adamw(train_steps: Steps, manual_steps: Steps, assert_weights_equal: Equal) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        groups = [{"params": kernels, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=RATE)

    for optimizer in ("adam", "adamw"):
        assert_weights_equal(train_steps(WeightDecay(DECAY), optimizer=optimizer), manual_steps(make))


def test_equals_weight_decay_of_plain_sgd(train_steps: Steps, manual_steps: Steps, assert_weights_equal: Equal) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.SGD([{"params": kernels, "weight_decay": DECAY}, {"params": others}], lr=RATE)

    hand = manual_steps(make)
    assert_weights_equal(train_steps(WeightDecay(DECAY), optimizer="sgd", momentum=0), hand)
    assert_weights_equal(train_steps(L2(DECAY / 2), optimizer="sgd", momentum=0), hand)


def test_differs_from_l2_with_adam(train_steps: Steps) -> None:
    a, b = train_steps(WeightDecay(DECAY)), train_steps(L2(DECAY / 2))
    assert not torch.allclose(a["0.weight"], b["0.weight"], rtol=1e-3)


def test_cautious_by_hand(train_steps: Steps, manual_steps: Steps, assert_weights_equal: Equal) -> None:
    counts = {"decayed": 0, "unchanged": 0}

    def decay(kernels: list[Tensor], before: list[Tensor]) -> None:
        for w, old in zip(kernels, before, strict=True):
            towards_zero = (old - w) * old >= 0  # the subtracted update has the sign of the weight
            counts["decayed"] += int(towards_zero.sum())
            counts["unchanged"] += int((~towards_zero).sum())
            w -= RATE * DECAY * old * towards_zero

    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(kernels + others, lr=RATE)

    hand = manual_steps(make, after=decay)
    assert min(counts.values()) > 100
    assert_weights_equal(train_steps(WeightDecay(DECAY, cautious=True)), hand)


def test_cautious_on_kernels_and_on_biases(train_steps: Steps) -> None:
    one = {on: train_steps(WeightDecay(DECAY, cautious=True, on=on), epochs=1) for on in ("kernel", "bias")}
    both = Recipe((WeightDecay(DECAY, cautious=True), WeightDecay(DECAY, cautious=True, on="bias")))
    for name, tensor in train_steps(both, epochs=1).items():
        assert torch.equal(tensor, one["bias" if "bias" in name else "kernel"][name])


def test_schedule_scales_the_decay(train_steps: Steps, manual_steps: Steps, assert_weights_equal: Equal) -> None:
    """The decay per step is the learning rate of that step times the rate, as in torch."""
    rates: list[Any] = []

    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        groups = [{"params": kernels, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=RATE)
        rates.append(torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 6))
        return optimizer

    hand = manual_steps(make, after=lambda kernels, before: rates[0].step())
    assert_weights_equal(train_steps(WeightDecay(DECAY), schedule="linear"), hand)
