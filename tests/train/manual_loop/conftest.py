"""Networks of many kinds, and a training loop as a user would write it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer


class RecurrentNetwork(nn.Module):
    """A recurrent network that reads the six features as a sequence of three pairs."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.first = kind(2, 8, batch_first=True)
        self.second = kind(8, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.hidden, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.second(self.first(x.reshape(len(x), 3, 2))[0])
        return self.head(torch.relu(self.hidden(states[:, -1])))


class Transformer(nn.Module):
    """An encoder over three tokens of two numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(2, 8), nn.Linear(8, 3)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x.reshape(len(x), 3, 2))).mean(1))


def linear() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def convolutional() -> nn.Sequential:
    maps = [nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.ReLU(), nn.ConvTranspose2d(4, 4, 2)]
    return nn.Sequential(*maps, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 5, 3))


def tied() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    model[2].weight = model[0].weight
    return model


def frozen() -> nn.Sequential:
    model = linear()
    model[0].requires_grad_(False)
    return model


def weight_normed() -> nn.Sequential:
    model = linear()
    for number in (0, 2):
        nn.utils.parametrizations.weight_norm(model[number])
    return model


def old_weight_normed() -> nn.Sequential:
    model = linear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for number in (0, 2):
            nn.utils.weight_norm(model[number])
    return model


def batch_normed() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


KINDS: dict[str, Callable[[], nn.Module]] = {
    "linear": linear,
    "convolutional": convolutional,
    "lstm": lambda: RecurrentNetwork(nn.LSTM),
    "gru": lambda: RecurrentNetwork(nn.GRU),
    "transformer": Transformer,
    "tied": tied,
    "frozen": frozen,
    "weight_norm": weight_normed,
    "old_weight_norm": old_weight_normed,
    "batch_norm": batch_normed,
}
STAGES = {
    "weights": "l1=1e-3, l2=1e-3, max_norm=2, weight_decay=0.01",
    "model": "dropout=0.3, gaussian_noise=0.1, weight_noise=0.1",
    "normalization": "layer_norm",
    "loss": "activity_l2=0.01, confidence_penalty=0.1, class_weights, gaussian_dropout=0.1, r_drop",
    "batch": "label_smoothing=0.1, mixup=0.2, fgsm=0.1, manifold_mixup",
    "sample": "class_balance",
    "grads": "clip_grad_norm=1, gradient_noise, sam",
    "eval": "ema=0.5",
    "epoch": "early_stopping=2",
    "learned": "noisy_linear, parametric_noise",
    "schedule": "dropout(0.5, schedule=linear), swa=0.5",
}
STAGES["all"] = ", ".join(
    STAGES[name] for name in ("weights", "model", "loss", "batch", "sample", "grads", "eval", "epoch")
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with argument `kind` for every kind of network, and with `stage` for every recipe in STAGES."""
    for name, values in (("kind", KINDS), ("stage", STAGES)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values)


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    """The function that builds a network of a kind, always with the same weights."""

    def make(kind: str = "linear") -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return KINDS[kind]()

    return make


@pytest.fixture
def recipes() -> dict[str, str]:
    """A recipe for each stage."""
    return STAGES


@pytest.fixture
def own_loop(three_class_split: Split) -> Callable[..., Regularizer]:
    """The function that trains a network with a recipe in a hand-written loop, in two steps per epoch."""

    def run(
        model: nn.Module, recipe: Any, optimizer: torch.optim.Optimizer | None = None, epochs: int = 2,
        split: Split = three_class_split, forward: Callable[[Tensor], Tensor] | None = None, **options: Any,
    ) -> Regularizer:  # fmt: skip
        x, y, stop = split.train.x, split.train.y, split.stop
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = optimizer or torch.optim.Adam(trained, lr=0.01)
        balanced = int(y.bincount().max()) * 3 if "class_balance" in str(recipe) else len(y)
        known = {
            "loss": F.cross_entropy,
            "data": (x, y),
            "epochs": epochs,
            "steps_per_epoch": -(-balanced // 48),
        } | options
        with attach(model, recipe, optimizer, **known) as reg:
            for _ in range(epochs):
                model.train()
                for rows in reg.rows().split(48):
                    xs, ys = reg.batch(x[rows], y[rows])

                    def closure(xs: Tensor = xs, ys: Tensor = ys) -> None:
                        losses = F.cross_entropy((forward or model)(xs), ys, reduction="none")
                        (losses.mean() + reg.penalty(losses)).backward()

                    closure()
                    reg.step(closure)
                with torch.no_grad():
                    if reg.end_epoch(val_loss=F.cross_entropy(reg.eval_model().eval()(stop.x), stop.y)).stop:
                        break
        return reg

    return run
