"""Real data and a network on which a technique's effect can be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

from goodfit import load
from goodfit.data import Split
from goodfit.stages import BranchNoise, OnEpoch, Recurrent
from goodfit.technique import Technique
from goodfit.train import Training

PIXELS = "scikit-learn's digits (8×8 pixels)"


@dataclass(frozen=True, eq=False)
class Home:
    """One problem: data, a network with a fresh start per seed, how it is trained, and what is measured."""

    split: Split
    data: str
    make: Callable[[], nn.Module]
    network: str
    training: Training
    measured: str = "loss"

    def model(self, seed: int) -> nn.Module:
        """The network as it starts with a seed."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make()

    @property
    def words(self) -> str:
        """What is trained on what, in one line."""
        t = self.training
        return (
            f"{len(self.split.train)} training and {len(self.split.stop)} stop rows of {self.data}, {self.network}, "
            f"{t.epochs} epochs of {t.optimizer.upper() if t.optimizer == 'sgd' else 'Adam'} at {t.learning_rate:g} in "
            f"batches of {t.batch_size}"
        )


def home(technique: type[Technique]) -> Home:
    """What a technique's type and declarations ask for, or where its page says that it is at home."""
    name = technique.name()
    if name in OWN:
        return OWN[name]()
    if getattr(technique, "needs", "any") == "numbers":
        return Home(disease(), "scikit-learn's diabetes", lambda: perceptron(10, 1), "10-64-64-1 with ReLU", USUAL)
    if issubclass(technique, BranchNoise):
        return _digits(residual, "3 residual branches 64-64-64")
    if issubclass(technique, Recurrent):
        return _digits(Reader, "an LSTM of 32 units that reads the rows of pixels", Training(**FAST | {"epochs": 30}))
    if getattr(technique, "inputs", "any") == "maps":
        return _digits(convolutional, "3×3 convolutions 1-8-16, then 256-10", Training(**SLOW | {"epochs": 30}))
    if getattr(technique, "needs_noise", False):
        return _digits(lambda: perceptron(rate=0.3), "64-64-64-10 with ReLU and Dropout(0.3)")
    if issubclass(technique, OnEpoch):
        return _digits(perceptron, "64-64-64-10 with ReLU", Training(**FAST | {"epochs": 40}))
    return _digits(perceptron, "64-64-64-10 with ReLU")


# ---- how it is trained ---------------------------------------------------------------------------

SLOW = {"epochs": 40, "batch_size": 32, "learning_rate": 0.005}
FAST = SLOW | {"learning_rate": 0.01}
USUAL = Training(**SLOW)


# ---- data ----------------------------------------------------------------------------------------


@cache
def digits(one: int | None = None) -> Split:
    """Images (1, 8, 8); ten classes, or one digit against all others."""
    bunch = datasets.load_digits()
    y = bunch.target if one is None else (bunch.target == one).astype(int)
    return _divided(bunch.images[:, None].astype(np.float32), y, 200, 0.4)


@cache
def disease() -> Split:
    """Ten features of patients, one number."""
    bunch = datasets.load_diabetes()
    return _divided(bunch.data, bunch.target, 150, 0.5)


def _divided(x: np.ndarray, y: np.ndarray, train: int, stop: float) -> Split:
    rest = (1 - train / len(y) - stop) / 2
    return load((x, y)).split(sizes=(train / len(y), stop, rest, rest))


# ---- networks ------------------------------------------------------------------------------------


def perceptron(inputs: int = 64, outputs: int = 10, rate: float = 0.0) -> nn.Sequential:
    """Two hidden layers of 64 units with ReLU, and dropout before the last layer if there is a rate."""
    hidden = [nn.Flatten(), nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*hidden, *([nn.Dropout(rate)] if rate else []), nn.Linear(64, outputs))


def self_normalising() -> nn.Sequential:
    """Two hidden layers with SELU that start from LeCun's normal distribution."""
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 10))
    for layer in made[1::2]:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    return made


def convolutional() -> nn.Sequential:
    """Two convolutions on 8×8 pixels, one pooling, one linear layer."""
    maps = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*maps, nn.Flatten(), nn.Linear(256, 10))


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x: Tensor) -> Tensor:
        """The sum (batch, 64)."""
        return x + self.branch(x)


def residual() -> nn.Sequential:
    """Three residual branches between two linear layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), *[Residual() for _ in range(3)], nn.ReLU(), nn.Linear(64, 10))


class Reader(nn.Module):
    """Reads an image as a sequence of eight rows of eight pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.LSTM(8, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The logits (batch, 10), from the last state."""
        return self.head(self.read(x.squeeze(1))[0][:, -1])


# ---- techniques that are at home elsewhere -------------------------------------------------------


def _digits(make: Callable[[], nn.Module], network: str, training: Training = USUAL) -> Home:
    return Home(digits(), PIXELS, make, network, training)


def _rare() -> Home:
    data = f"{PIXELS}, 8 against all others"
    return Home(digits(8), data, lambda: perceptron(outputs=2), "64-64-64-2 with ReLU", USUAL, "balanced accuracy")


def _recurrent() -> Home:
    return _digits(
        Reader,
        "an LSTM of 32 units that reads the rows of pixels",
        Training(epochs=30, batch_size=32, learning_rate=0.03),
    )


def _too_fast() -> Home:
    return _digits(
        perceptron,
        "64-64-64-10 with ReLU",
        Training(epochs=30, batch_size=32, learning_rate=0.3, optimizer="sgd"),
    )


OWN: dict[str, Callable[[], Home]] = {
    "alpha_dropout": lambda: _digits(self_normalising, "64-64-64-10 with SELU"),
    "class_balance": _rare,
    "class_weights": _rare,
    "clip_grad_norm": _recurrent,
    "clip_grad_value": _recurrent,
    "cut_out": lambda: _digits(
        convolutional, "3×3 convolutions 1-8-16, then 256-10", Training(**SLOW | {"epochs": 30})
    ),
    "cutmix": lambda: _digits(convolutional, "3×3 convolutions 1-8-16, then 256-10", Training(**SLOW | {"epochs": 30})),
    "divergence_stop": _too_fast,
}
