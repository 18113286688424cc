"""Networks of many kinds in a population: what can be stacked equals the runs by themselves, the rest is one."""

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


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = Linear(6, 6), Linear(6, 6), Linear(6, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.b(torch.relu(self.a(x)))))  # type: ignore[no-any-return]


class Unused(nn.Module):
    """A layer that no pass reaches: its weights have no gradient, and stay as they are."""

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


class Words(nn.Module):
    """The mean of the vectors of six tokens, the features as whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(5, 4), Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.words((x.clamp(-2, 2) + 2).long()).mean(1))  # type: ignore[no-any-return]


class Reader(nn.Module):
    """An LSTM over three pairs of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 4, batch_first=True), Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x.reshape(len(x), 3, 2))[0][:, -1])  # type: ignore[no-any-return]


class Jitter(nn.Module):
    """Noise of the user's own, from torch's global generator."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.rand_like(x) if self.training else x


class Branching(nn.Module):
    """Does what the values say."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.mean() > 0 else -x


def images(*layers: nn.Module) -> nn.Sequential:
    """Sees the six features as an image of 2 × 3."""
    return Sequential(nn.Unflatten(1, (1, 2, 3)), *layers)


def frozen() -> nn.Sequential:
    made = Sequential(Linear(6, 8), ReLU(), Linear(8, 3))
    made[0].requires_grad_(False)
    return made


def normed(layer: nn.Module) -> Callable[[], nn.Sequential]:
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
    "tied": (Tied, RECIPES),
    "frozen": (frozen, RECIPES),
    "unused": (Unused, (*RECIPES, "weight_decay=0.1", "l1=0.01", "orthogonal=0.1")),
    "batch norm": (normed(nn.BatchNorm1d(8)), (*WITHOUT_EMA, "sam=0.1", "fgsm=0.1")),
    "layer norm": (normed(nn.LayerNorm(8)), RECIPES),
    "dropout": (normed(nn.Dropout(0.3)), (*RECIPES, "sam=0.1", "fgsm=0.1", "manifold_mixup=1.0")),
    "dropout of channels": (
        lambda: images(nn.Conv2d(1, 4, 2, padding=1), nn.Dropout2d(0.3), nn.Flatten(), Linear(48, 3)), RECIPES,
    ),
    "embedding": (Words, ("", "dropout=0.3, max_norm=1", "l2=0.01, ema=0.9")),
    "attention": (lambda: Attention(0.0), RECIPES),
    "attention with dropout": (lambda: Attention(0.2), RECIPES),
    "weight norm": (lambda: Sequential(weight_norm(Linear(6, 8)), ReLU(), Linear(8, 3)), RECIPES),
}  # fmt: skip


def made(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().double()


# Plain SGD: gradients that are zero but for rounding, as of a bias in front of a batch norm and of attention's keys,
# would be whole steps of Adam.
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # torch's, of weight norm
@pytest.mark.parametrize("name", STACKED)
def test_stacked(name: str, data: Split, alone: Any, equal: Any, apart_runs: list[Any]) -> None:
    make, recipes = STACKED[name]
    model = made(make)
    runs = together(model, data, recipes, SGD, seeds=(0, 1))
    assert not apart_runs
    equal(runs, alone(model, data, recipes, SGD))


def test_adam_on_its_own_terms(data: Split, alone: Any, equal: Any, apart_runs: list[Any]) -> None:
    model, training = made(normed(nn.Dropout(0.3))), Training(epochs=4, batch_size=20)
    runs = together(model, data, RECIPES, training, seeds=(0, 1))
    assert not apart_runs
    equal(runs, alone(model, data, RECIPES, training))


def test_a_recurrent_network_is_trained_by_itself(data: Split, alone: Any, equal: Any, apart_runs: list[Any]) -> None:
    model = made(Reader)
    runs = together(model, data, RECIPES[:2], SGD, seeds=(0, 1))
    assert len(apart_runs) == 4
    equal(runs, alone(model, data, RECIPES[:2], SGD), 0.0)


@pytest.mark.parametrize("layer", [Jitter(), Branching()], ids=["random numbers of its own", "branches on values"])
def test_what_cannot_be_stacked_is_named(
    layer: nn.Module, data: Split, alone: Any, equal: Any, apart_runs: list[Any]
) -> None:
    model = made(normed(layer))
    with pytest.warns(UserWarning, match=rf"4 runs are trained one by one: .* at layer '1' \({type(layer).__name__}\)"):
        runs = together(model, data, ["", "l2=0.1"], SGD, seeds=(0, 1))
    assert len(apart_runs) == 4
    equal(runs, alone(model, data, ["", "l2=0.1"], SGD), 0.0)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_what_waits_in_large_networks(
    optimizer: str, data: Split, alone: Any, equal: Any, apart_runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (weight_targets,):
        monkeypatch.setattr(module, "LARGE", 0)
    recipes = [
        "l1=0.01",
        "l1=0.1, max_norm=1",
        "group_lasso=0.01",
        "elastic_net(l1=0.01), dropout=0.2",
        "spectral_norm",
        "",
    ]
    model = made(lambda: Sequential(Linear(6, 8), ReLU(), Linear(8, 3)))
    training = Training(epochs=3, batch_size=5, optimizer=optimizer, schedule="cosine", learning_rate=0.01)
    recipes += ["l1(0.1, schedule='late')", "group_lasso=0.1", "spectral_norm=2.0"]
    runs = together(model, data, recipes, training, seeds=(0, 1))
    assert not apart_runs
    equal(runs, alone(model, data, recipes, training))


def test_single_precision_to_its_rounding(
    three_class_split: Split, alone: Any, equal: Any, apart_runs: list[Any]
) -> None:
    model = made(normed(nn.Dropout(0.3))).float()
    runs = together(model, three_class_split, RECIPES, SGD, seeds=(0, 1))
    assert not apart_runs
    equal(runs, alone(model, three_class_split, RECIPES, SGD), 1e-4)


def test_further_passes_with_a_dropout_of_the_networks_own_are_made_alone(
    data: Split, alone: Any, equal: Any, apart_runs: list[Any]
) -> None:
    model, recipes = made(normed(nn.Dropout(0.3))), ["", "jacobian_penalty=0.1", "r_drop=1.0"]
    runs = together(model, data, recipes, SGD, seeds=(0, 1))
    assert {recipe for recipe, _ in apart_runs} == {"jacobian_penalty=0.1", "r_drop=1.0"}
    equal(runs, alone(model, data, recipes, SGD))
