"""The solo trainer: rows of an epoch, learning rates, and what its checkpoints are compared by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Clock
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.prepare import prepare
from goodfit.train.run import same, snapshot
from goodfit.train.trainer import Trainer

Net = Callable[..., nn.Sequential]


def trainer(recipe: str, split: Split, model: nn.Module, seed: int = 0, **settings: object) -> Trainer:
    training = Training.of({"epochs": 2, "batch_size": 48, "learning_rate": 0.1} | settings)
    return Trainer(model, prepare(model, split, Recipe.of(recipe), training), split, seed)


def test_an_epoch_uses_every_row_once_in_a_new_order(three_class_split: Split, make_net: Net) -> None:
    batches: list[torch.Tensor] = []

    class Recorder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = make_net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                batches.append(x[:, 0])
            return self.net(x)

    fit(Recorder(), three_class_split, "", Training(epochs=2, batch_size=19))
    epochs = torch.cat(batches[:5]), torch.cat(batches[5:])
    assert [len(batch) for batch in batches[:5]] == [19] * 4 + [20]  # the single remaining row joins the last batch
    assert not torch.equal(*epochs)
    for epoch in epochs:
        assert torch.equal(epoch.sort().values, three_class_split.train.x[:, 0].sort().values)


def test_the_learning_rate_is_the_product_of_schedule_and_recipe(three_class_split: Split, make_net: Net) -> None:
    """`pace_to` multiplies the learning rate by 0.25 in the second half of training."""
    solo = trainer("swa(0.5, pace_to=0.25)", three_class_split, make_net(), schedule="linear")
    rates = []
    for step in range(1, 5):
        solo.set_learning_rate(Clock(step, per_epoch=2, total=4))
        rates.append(solo.updater.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.075, 0.05 * 0.25, 0.025 * 0.25])


def test_training_rows_include_synthetic_rows_but_the_evaluated_ones_do_not(
    three_class_split: Split, make_net: Net
) -> None:
    unbalanced = trainer("smote", three_class_split, make_net())
    counts = three_class_split.train.y.bincount()
    assert len(unbalanced.train_part) == 3 * int(counts.max())
    assert len(unbalanced.sample[0]) == len(three_class_split.train)


@pytest.mark.parametrize(
    ("recipe", "settings", "compared"),
    [
        ("l2=0.1", {}, False),
        ("l2=0.1", {"schedule": "cosine"}, True),
        ("l2=0.1", {"warmup": 0.1}, True),
        ("dropout(0.5, schedule=linear)", {}, True),
        ("swa(0.5, pace_to=0.25)", {}, True),
    ],
)
def test_the_identity_contains_the_epochs_if_a_schedule_depends_on_them(
    recipe: str, settings: dict[str, object], compared: bool, three_class_split: Split, make_net: Net
) -> None:
    identity = trainer(recipe, three_class_split, make_net(), **settings).identity()
    assert ("epochs" in identity["training"]) == compared


def test_the_best_weights_are_those_of_the_evaluated_network(three_class_split: Split, make_net: Net) -> None:
    solo = trainer("ema=0.5", three_class_split, make_net())
    network, improved = solo.end_epoch(1, solo.train_epoch(1), seconds=0.0)
    assert improved
    assert same(solo.best, snapshot(network))
    assert not same(solo.best, snapshot(solo.model))  # the average, not the trained weights


def test_a_restored_state_continues_with_the_same_bits(three_class_split: Split, make_net: Net) -> None:
    recipe = "spectral_norm, noisy_linear, ema=0.5, dropout=0.2"
    first, second = (trainer(recipe, three_class_split, make_net()) for _ in range(2))
    first.train_epoch(1)
    tensors, data = first.state()
    second.load_state({name: tensor.clone() for name, tensor in tensors.items()}, data)
    for solo in (first, second):
        solo.train_epoch(2)
    assert same(snapshot(first.model), snapshot(second.model))
    assert same(snapshot(first.network_to_keep()), snapshot(second.network_to_keep()))
    for name, strength in first.attachment.learned.items():
        assert torch.equal(strength, second.attachment.learned[name])
