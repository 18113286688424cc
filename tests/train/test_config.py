"""`Training`: learning rate schedules and the warm-up, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.config import Training
from goodfit.train.fit import fit

Net = Callable[..., nn.Sequential]


def rates(split: Split, model: nn.Module, **settings: object) -> list[float]:
    """The learning rates of `fit` at the end of each of 8 epochs of 6 steps."""
    return fit(model, split, "", Training(epochs=8, batch_size=16, learning_rate=0.1, **settings)).history[
        "learning_rate"
    ]


def test_learning_rates_of_the_schedules(three_class_split: Split, make_net: Net) -> None:
    done = [(6 * epoch - 1) / 48 for epoch in range(1, 9)]  # the share of steps before an epoch's last one
    assert rates(three_class_split, make_net()) == [0.1] * 8
    assert rates(three_class_split, make_net(), schedule="linear") == pytest.approx([0.1 * (1 - d) for d in done])
    cosine = [0.05 * (1 + math.cos(math.pi * d)) for d in done]
    assert rates(three_class_split, make_net(), schedule="cosine") == pytest.approx(cosine)
    assert rates(three_class_split, make_net(), schedule="step") == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)


def test_learning_rates_of_the_warm_up(three_class_split: Split, make_net: Net) -> None:
    assert rates(three_class_split, make_net(), warmup=0.5) == pytest.approx([0.025, 0.05, 0.075, 0.1] + [0.1] * 4)
    steps = [Training(learning_rate=1.0, warmup=0.2, schedule="cosine").rate_at(s, 10) for s in range(10)]
    assert steps[:3] == [0.5, 1.0, 1.0]
    assert steps == sorted(steps[:2]) + sorted(steps[2:], reverse=True)
    assert 0 < steps[-1] < 0.05
    assert Training(learning_rate=1.0, warmup=0.5).rate_at(0, 1) == 1.0


def test_invalid_values_are_refused() -> None:
    with pytest.raises(InputError, match=r"Training: momentum must be in \[0, 1\), got momentum=1.0"):
        Training(momentum=1.0)
    with pytest.raises(InputError, match=r"Training: optimizer must be one of .*, got optimizer='rprop'"):
        Training(optimizer="rprop")
