"""What is measured, with penalties apart; schedules; parts of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.techniques import L1, L2, ElasticNet
from goodfit.train.config import Training
from goodfit.train.fit import fit

Net = Callable[..., nn.Sequential]


def test_columns_in_order(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, "l1=1e-3, l2=1e-2, dropout=0.2", Training(epochs=2, batch_size=16))
    assert run.history.columns == [
        "epoch", "train_loss", "train_loss_se", "stop_loss", "stop_loss_se", "train_accuracy", "stop_accuracy",
        "batch_loss", "penalty_l1", "penalty_l2", "learning_rate", "seconds",
    ]  # fmt: skip
    assert run.history["epoch"] == [1, 2]


def test_penalties_are_apart_from_the_loss(three_class_split: Split, make_net: Net) -> None:
    """Strengths at which a mixed-in penalty could not be overlooked; a monitor sees the data loss."""
    run = fit(
        make_net(), three_class_split, [L1(2.0), L2(3.0), ElasticNet(1.0, 1.0)], Training(epochs=1, batch_size=96)
    )
    kernels = [w.double() for name, w in run.last.items() if name.endswith("weight")]
    absolute, square = sum(float(w.abs().sum()) for w in kernels), sum(float(w.square().sum()) for w in kernels)
    assert run.row["penalty_l1"] == pytest.approx(2 * absolute, rel=1e-5)
    assert run.row["penalty_l2"] == pytest.approx(3 * square, rel=1e-5)
    assert run.row["penalty_elastic_net"] == pytest.approx(absolute + square, rel=1e-5)
    loss = float(F.cross_entropy(run.outputs(three_class_split.stop.x), three_class_split.stop.y))
    assert run.row["stop_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.row["penalty_l2"] > 2 * loss
    first = float(F.cross_entropy(make_net()(three_class_split.train.x), three_class_split.train.y).detach())
    assert run.row["batch_loss"] == pytest.approx(first, rel=1e-5)


def test_the_training_columns_are_clean(three_class_split: Split, make_net: Net) -> None:
    """Evaluation mode, raw data and labels: what dropout, mixing and smoothing do shows in batch_loss only."""
    run = fit(
        make_net(), three_class_split, "dropout=0.5, mixup=1.0, label_smoothing=0.3", Training(epochs=3, batch_size=16)
    )
    loss = float(F.cross_entropy(run.outputs(three_class_split.train.x), three_class_split.train.y))
    assert run.row["train_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.row["batch_loss"] > run.row["train_loss"]


def rates(split: Split, model: nn.Module, **settings: object) -> list[float]:
    """The learning rate at the end of each of 8 epochs of 6 steps."""
    return fit(model, split, "", Training(epochs=8, batch_size=16, learning_rate=0.1, **settings)).history[
        "learning_rate"
    ]


def test_schedules_by_hand(three_class_split: Split, make_net: Net) -> None:
    done = [(6 * epoch - 1) / 48 for epoch in range(1, 9)]  # the share of steps before an epoch's last one
    assert rates(three_class_split, make_net()) == [0.1] * 8
    assert rates(three_class_split, make_net(), schedule="linear") == pytest.approx([0.1 * (1 - d) for d in done])
    cosine = [0.05 * (1 + math.cos(math.pi * d)) for d in done]
    assert rates(three_class_split, make_net(), schedule="cosine") == pytest.approx(cosine)
    assert rates(three_class_split, make_net(), schedule="step") == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)


def test_warm_up_by_hand(three_class_split: Split, make_net: Net) -> None:
    assert rates(three_class_split, make_net(), warmup=0.5) == pytest.approx([0.025, 0.05, 0.075, 0.1] + [0.1] * 4)
    steps = [Training(learning_rate=1.0, warmup=0.2, schedule="cosine").rate_at(s, 10) for s in range(10)]
    assert steps[:3] == [0.5, 1.0, 1.0]
    assert steps == sorted(steps[:2]) + sorted(steps[2:], reverse=True)
    assert 0 < steps[-1] < 0.05
    assert Training(learning_rate=1.0, warmup=0.5).rate_at(0, 1) == 1.0


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_optimizers_equal_a_loop_of_one_s_own(optimizer: str, three_class_split: Split, make_net: Net) -> None:
    settings = Training(epochs=5, batch_size=96, optimizer=optimizer, learning_rate=0.05, schedule="linear")
    run, model, train = fit(make_net(), three_class_split, "", settings), make_net(), three_class_split.train
    theirs = (
        torch.optim.Adam(model.parameters(), lr=0.05)
        if optimizer == "adam"
        else torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(theirs, lambda step: 1 - step / 5)
    for _ in range(5):
        theirs.zero_grad()
        F.cross_entropy(model(train.x), train.y).backward()
        theirs.step()
        schedule.step()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(run.last[name], weight, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("batch_size", "accumulate"), [(32, 1), (32, 4), (33, 4), (19, 3), (1000, 7), (5, 9)])
def test_parts_of_a_batch_sum_to_its_gradient(
    batch_size: int, accumulate: int, three_class_split: Split, make_net: Net
) -> None:
    settings = {"epochs": 2, "batch_size": batch_size, "optimizer": "sgd", "learning_rate": 0.05}
    whole = fit(make_net(), three_class_split, "", Training(**settings))
    parts = fit(make_net(), three_class_split, "", Training(accumulate=accumulate, **settings))
    assert parts.history["batch_loss"] == pytest.approx(whole.history["batch_loss"], rel=1e-4)
    for name, weight in whole.last.items():
        torch.testing.assert_close(parts.last[name], weight, rtol=1e-3, atol=1e-5)


def test_parts_are_as_small_as_asked(three_class_split: Split, make_net: Net) -> None:
    sizes: list[int] = []

    def spy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            sizes.append(len(y))
        return F.cross_entropy(output, y, reduction="none")

    fit(make_net(), three_class_split, "", Training(epochs=1, batch_size=40, accumulate=4), loss=spy)
    assert sizes == [10] * 9 + [6]


def test_every_row_once_per_epoch_in_a_new_order(three_class_split: Split, make_net: Net) -> None:
    seen: list[torch.Tensor] = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = make_net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                seen.append(x[:, 0])
            return self.net(x)

    fit(Spy(), three_class_split, "", Training(epochs=2, batch_size=19))
    epochs = torch.cat(seen[:5]), torch.cat(seen[5:])
    assert [len(batch) for batch in seen[:5]] == [19] * 4 + [20]  # the row left over joins the last batch
    assert not torch.equal(*epochs)
    for epoch in epochs:
        assert torch.equal(epoch.sort().values, three_class_split.train.x[:, 0].sort().values)
