"""Many kinds of networks in a population: the runs equal solo runs, also of networks that cannot be stacked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from goodfit.data import Split
from goodfit.stages import weight_targets
from goodfit.train.config import Training
from goodfit.train.fit_many import fit_many

together = partial(fit_many, population=True)
Linear, ReLU, Sequential = nn.Linear, nn.ReLU, nn.Sequential
SGD = Training(epochs=4, batch_size=20, optimizer="sgd", learning_rate=0.05)  # batches of 20, 20, 20, 20 and 16 rows
RECIPES = ("", "dropout=0.3, max_norm=1, clip_grad_norm=1", "gaussian_noise=0.2, l2=0.01, ema=0.9")


class TiedWeights(nn.Module):
    """Two layers share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = Linear(6, 6), Linear(6, 6), Linear(6, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.b(torch.relu(self.a(x)))))  # type: ignore[no-any-return]


class UnusedLayer(nn.Module):
    """The weights of a layer that the network does not use have no gradient and do not change."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.unused, self.out = Linear(6, 8), Linear(3, 3), Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.a(x)))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """An encoder over three tokens of two numbers."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.embed, self.head = Linear(2, 8), Linear(8, 3)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, rate, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x.reshape(len(x), 3, 2))).mean(1))  # type: ignore[no-any-return]


class BagOfWords(nn.Module):
    """Classifies the mean embedding of six tokens: the features, rounded to integers."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(5, 4), Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.words((x.clamp(-2, 2) + 2).long()).mean(1))  # type: ignore[no-any-return]


class RecurrentNetwork(nn.Module):
    """An LSTM over three pairs of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 4, batch_first=True), Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x.reshape(len(x), 3, 2))[0][:, -1])  # type: ignore[no-any-return]


class GlobalNoise(nn.Module):
    """Adds noise from torch's global generator."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.rand_like(x) if self.training else x


class ValueDependent(nn.Module):
    """Branches on the values of a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.mean() > 0 else -x


def images(*layers: nn.Module) -> nn.Sequential:
    """A network that processes the six features as an image of 2 × 3."""
    return Sequential(nn.Unflatten(1, (1, 2, 3)), *layers)


def frozen() -> nn.Sequential:
    model = Sequential(Linear(6, 8), ReLU(), Linear(8, 3))
    model[0].requires_grad_(False)
    return model


def with_layer(layer: nn.Module) -> Callable[[], nn.Sequential]:
    return lambda: Sequential(Linear(6, 8), layer, ReLU(), Linear(8, 3))


WITHOUT_EMA = (
    *RECIPES[:2],
    "gaussian_noise=0.2, l2=0.01",
)  # a batch norm's statistics of averaged weights are not kept
STACKED: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "convolutions": (
        lambda: images(nn.Conv2d(1, 4, 2, padding=1), ReLU(), nn.Conv2d(4, 4, 2), nn.Flatten(), Linear(24, 3)),
        (*RECIPES, "spatial_dropout=0.3", "drop_block=0.2"),
    ),
    "tied": (TiedWeights, RECIPES),
    "frozen": (frozen, RECIPES),
    "unused": (UnusedLayer, (*RECIPES, "weight_decay=0.1", "l1=0.01", "orthogonal=0.1")),
    "batch norm": (with_layer(nn.BatchNorm1d(8)), (*WITHOUT_EMA, "sam=0.1", "fgsm=0.1")),
    "layer norm": (with_layer(nn.LayerNorm(8)), RECIPES),
    "dropout": (with_layer(nn.Dropout(0.3)), (*RECIPES, "sam=0.1", "fgsm=0.1", "manifold_mixup=1.0")),
    "dropout of channels": (
        lambda: images(nn.Conv2d(1, 4, 2, padding=1), nn.Dropout2d(0.3), nn.Flatten(), Linear(48, 3)), RECIPES,
    ),
    "embedding": (BagOfWords, ("", "dropout=0.3, max_norm=1", "l2=0.01, ema=0.9")),
    "attention": (lambda: Attention(0.0), RECIPES),
    "attention with dropout": (lambda: Attention(0.2), RECIPES),
    "weight norm": (lambda: Sequential(weight_norm(Linear(6, 8)), ReLU(), Linear(8, 3)), RECIPES),
}  # fmt: skip


def build(make: Callable[[], nn.Module]) -> nn.Module:
    """The network in double precision, always with the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().double()


# SGD, because some gradients consist of rounding errors, which Adam would turn into whole steps: those of a bias in
# front of a batch norm, and of the keys of attention.
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # from torch, about weight norm
@pytest.mark.parametrize("name", STACKED)
def test_stacked_networks_equal_solo_runs(
    name: str, data: Split, train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    make, recipes = STACKED[name]
    model = build(make)
    runs = together(model, data, recipes, SGD, seeds=(0, 1))
    assert not solo_runs
    assert_equal(runs, train_alone(model, data, recipes, SGD))


def test_adam_where_no_gradient_consists_of_rounding_errors(
    data: Split, train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    model, training = build(with_layer(nn.Dropout(0.3))), Training(epochs=4, batch_size=20)
    runs = together(model, data, RECIPES, training, seeds=(0, 1))
    assert not solo_runs
    assert_equal(runs, train_alone(model, data, RECIPES, training))


def test_recurrent_networks_are_trained_alone(
    data: Split, train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    model = build(RecurrentNetwork)
    runs = together(model, data, RECIPES[:2], SGD, seeds=(0, 1))
    assert len(solo_runs) == 4
    assert_equal(runs, train_alone(model, data, RECIPES[:2], SGD), 0.0)


@pytest.mark.parametrize("layer", [GlobalNoise(), ValueDependent()], ids=["global noise", "branches on values"])
def test_a_layer_that_cannot_be_stacked_is_named(
    layer: nn.Module, data: Split, train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    model = build(with_layer(layer))
    with pytest.warns(UserWarning, match=rf"4 runs are trained one by one: .* at layer '1' \({type(layer).__name__}\)"):
        runs = together(model, data, ["", "l2=0.1"], SGD, seeds=(0, 1))
    assert len(solo_runs) == 4
    assert_equal(runs, train_alone(model, data, ["", "l2=0.1"], SGD), 0.0)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_techniques_that_act_every_n_steps_in_large_networks(
    optimizer: str,
    data: Split,
    train_alone: Any,
    assert_equal: Any,
    solo_runs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weight_targets, "LARGE", 0)
    recipes = [
        "l1=0.01",
        "l1=0.1, max_norm=1",
        "group_lasso=0.01",
        "elastic_net(l1=0.01), dropout=0.2",
        "spectral_norm",
        "",
    ]
    model = build(lambda: Sequential(Linear(6, 8), ReLU(), Linear(8, 3)))
    training = Training(epochs=3, batch_size=5, optimizer=optimizer, schedule="cosine", learning_rate=0.01)
    recipes += ["l1(0.1, schedule='late')", "group_lasso=0.1", "spectral_norm=2.0"]
    runs = together(model, data, recipes, training, seeds=(0, 1))
    assert not solo_runs
    assert_equal(runs, train_alone(model, data, recipes, training))


def test_single_precision_up_to_rounding(
    three_class_split: Split, train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    model = build(with_layer(nn.Dropout(0.3))).float()
    runs = together(model, three_class_split, RECIPES, SGD, seeds=(0, 1))
    assert not solo_runs
    assert_equal(runs, train_alone(model, three_class_split, RECIPES, SGD), 1e-4)


def test_extra_forward_passes_of_a_network_with_dropout_are_trained_alone(
    data: Split, train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    model, recipes = build(with_layer(nn.Dropout(0.3))), ["", "jacobian_penalty=0.1", "r_drop=1.0"]
    runs = together(model, data, recipes, SGD, seeds=(0, 1))
    assert {recipe for recipe, _ in solo_runs} == {"jacobian_penalty=0.1", "r_drop=1.0"}
    assert_equal(runs, train_alone(model, data, recipes, SGD))
