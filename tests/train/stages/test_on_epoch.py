"""The OnEpoch stage: the columns of the History, the best epoch, the decision to stop, and divergence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.techniques import L1, L2, ElasticNet
from goodfit.train.config import Training
from goodfit.train.fit import fit

Net = Callable[..., nn.Sequential]


def test_columns_of_the_history_in_order(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, "l1=1e-3, l2=1e-2, dropout=0.2", Training(epochs=2, batch_size=16))
    assert run.history.columns == [
        "epoch", "train_loss", "train_loss_se", "stop_loss", "stop_loss_se", "train_accuracy", "stop_accuracy",
        "batch_loss", "penalty_l1", "penalty_l2", "learning_rate", "seconds",
    ]  # fmt: skip
    assert run.history["epoch"] == [1, 2]


def test_losses_do_not_contain_the_penalties(three_class_split: Split, make_net: Net) -> None:
    """The penalties are larger than the losses, so that the test would notice them there."""
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


def test_losses_of_the_training_rows_are_computed_without_noise_and_mixing(
    three_class_split: Split, make_net: Net
) -> None:
    """Dropout, mixing and smoothing change only `batch_loss`."""
    run = fit(
        make_net(), three_class_split, "dropout=0.5, mixup=1.0, label_smoothing=0.3", Training(epochs=3, batch_size=16)
    )
    loss = float(F.cross_entropy(run.outputs(three_class_split.train.x), three_class_split.train.y))
    assert run.row["train_loss"] == pytest.approx(loss, rel=1e-5)
    assert run.row["batch_loss"] > run.row["train_loss"]
