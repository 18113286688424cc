"""For each technique, data and a network on which it has a visible effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

from goodfit import load
from goodfit.data import Sounds, Split, Texts
from goodfit.models import cnn, mel_cnn
from goodfit.models.text import bag
from goodfit.stages import Augmentation, BranchNoise, Noise, OnEpoch, OnEval, OnLoss, Recurrent
from goodfit.technique import Technique
from goodfit.train.config import Training

PIXELS = "scikit-learn's digits (8×8 pixels)"
MLP = "64-64-64-10 with ReLU"


@dataclass(frozen=True, eq=False)
class Setup:
    """Data, a network that is initialized per seed, training settings, and the measure that is reported."""

    split: Split
    data: str
    make: Callable[[], nn.Module]
    network: str
    training: Training
    measured: str = "loss"

    def model(self, seed: int) -> nn.Module:
        """The network with initial weights from a seed."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make()

    @property
    def description(self) -> str:
        """Data, network and training settings, in one line."""
        t, optimizer = self.training, {"adam": "Adam", "sgd": "SGD with momentum"}
        decay = " with cosine decay" if t.schedule == "cosine" else ""
        return (
            f"{len(self.split.train)} training and {len(self.split.stop)} stop rows of {self.data}, {self.network}, "
            f"{t.epochs} epochs of {optimizer[t.optimizer]} at {t.learning_rate:g}{decay}, batches of {t.batch_size}"
        )


def setup(technique: type[Technique]) -> Setup:
    """The setup for a technique: its own if it has one, otherwise chosen by its type and its requirements."""
    if technique.name() in OWN:
        return OWN[technique.name()]()
    if technique.needs_targets == "numbers":
        return _patients(COSINE)
    if issubclass(technique, Augmentation) and technique.name() != "cut_out":
        return _colour_images() if technique.needs_rgb else BY_KIND[technique.kinds[0]]()
    if issubclass(technique, BranchNoise):
        return Setup(digits(), PIXELS, residual, "64-64-10 with 3 residual branches 64-64-64 and ReLU", COSINE)
    if issubclass(technique, Recurrent):
        return _sequences(_training(epochs=30, learning_rate=0.01, schedule="cosine"))
    if issubclass(technique, Noise) and technique.convolutions_only:
        return _maps()
    if issubclass(technique, OnLoss) and technique.needs_noise:
        return Setup(digits(), PIXELS, lambda: perceptron(rate=0.3), f"{MLP} and Dropout(0.3)", COSINE)
    if issubclass(technique, OnEpoch):
        return _patients(_training(epochs=60))
    return Setup(digits(), PIXELS, perceptron, MLP, _training() if issubclass(technique, OnEval) else COSINE)


# ---- how it is trained ---------------------------------------------------------------------------


def _training(**settings: Any) -> Training:
    return Training(**{"epochs": 40, "batch_size": 32, "learning_rate": 0.005} | settings)


COSINE = _training(schedule="cosine")
"""Decays the learning rate to zero, so the final weights do not depend on the last batch."""


# ---- data ----------------------------------------------------------------------------------------


@cache
def digits(one: int | None = None) -> Split:
    """Images (1, 8, 8) in ten classes, or one digit against all others."""
    bunch = datasets.load_digits()
    y = bunch.target if one is None else (bunch.target == one).astype(int)
    return _divided(bunch.images[:, None].astype(np.float32), y, 200, 0.4)


@cache
def digit_rows() -> Split:
    """Table rows of 64 numbers: the digit 8 against all others."""
    bunch = datasets.load_digits()
    return _divided(bunch.data, (bunch.target == 8).astype(int), 200, 0.4)


@cache
def colour_digits() -> Split:
    """Images (3, 8, 8) of digits in ten classes, each in a random colour that is independent of the class."""
    bunch, rng = datasets.load_digits(), np.random.default_rng(0)
    colours = rng.uniform(0.1, 1.0, size=(len(bunch.target), 3, 1, 1))
    return _divided((bunch.images[:, None] * colours).astype(np.float32), bunch.target, 200, 0.4)


@cache
def moving_digits() -> Split:
    """Clips (1, 6, 12, 12) of digits that move in any direction on noise; ten classes."""
    bunch, rng = datasets.load_digits(), np.random.default_rng(0)
    clips = rng.uniform(0.0, 5.0, size=(len(bunch.target), 1, 6, 12, 12))
    for clip, image in zip(clips, bunch.images, strict=True):
        position, velocity = rng.integers(0, 5, 2), rng.integers(-1, 2, 2)
        for number in range(6):
            top, left = (position + number * velocity).clip(0, 4)
            clip[0, number, top : top + 8, left : left + 8] += image
    return _divided(clips.astype(np.float32), bunch.target, 200, 0.4)


@cache
def digit_series() -> Split:
    """Images of digits as series: columns are eight channels, rows are eight time steps."""
    bunch = datasets.load_digits()
    return _divided(bunch.images.transpose(0, 2, 1).astype(np.float32), bunch.target, 200, 0.4)


@cache
def tones() -> Split:
    """Half a second of two successive tones at 4 kHz with noise; eight classes, by pitches and their order."""
    rng, time = np.random.default_rng(0), np.arange(2000) / 4000
    y = np.arange(1200) % 8
    pairs = np.array([[300, 420], [420, 300], [300, 560], [560, 300], [420, 560], [560, 420], [300, 300], [560, 560]])
    pitches = pairs[y] * 2 ** rng.uniform(-0.15, 0.15, size=(1200, 1))
    first = np.arange(2000) < rng.integers(600, 1400, size=(1200, 1))
    waves = np.where(first, *(np.sin(2 * np.pi * pitches[:, n, None] * time) for n in (0, 1)))
    x = waves * rng.uniform(0.2, 1.0, size=(1200, 1)) + 0.4 * rng.normal(size=(1200, 2000))
    size = 160 / 1200
    return load((x.astype(np.float32)[:, None], y), options=Sounds(rate=4000)).split(
        sizes=(size, 0.4, *[(0.6 - size) / 2] * 2)
    )


@cache
def messages() -> Split:
    """Messages of eight words on four subjects; each subject has ten typical words."""
    rng = np.random.default_rng(0)
    typical = [words.split() for words in SUBJECTS]
    y = np.arange(1200) % 4
    texts = []
    for subject in y:
        words = list(rng.choice(COMMON.split(), 6)) + list(rng.choice(typical[subject], 2))
        if rng.random() < 0.3:
            words[-1] = str(rng.choice(typical[(subject + 1) % 4]))  # a word of another subject
        texts.append(" ".join(rng.permutation(words)))
    size = 200 / 1200
    return load((texts, y), options=Texts()).split(sizes=(size, 0.4, *[(0.6 - size) / 2] * 2))


SUBJECTS = (
    "doctor ill pain heal medicine nurse fever hospital cure wound",
    "ball game win team race goal play match player score",
    "money bank pay price buy sell cost cheap rich debt",
    "food eat bread meal cook taste dinner sweet soup hungry",
)
COMMON = "the a to for of day house work big small quick begin end talk walk new old good many people place time"


@cache
def patients() -> Split:
    """Ten features of each patient; the target is a number."""
    bunch = datasets.load_diabetes()
    return _divided(bunch.data, bunch.target, 150, 0.5)


def _divided(x: np.ndarray, y: np.ndarray, train: int, stop: float) -> Split:
    rest = (1 - train / len(y) - stop) / 2
    return load((x, y)).split(sizes=(train / len(y), stop, rest, rest))


# ---- networks ------------------------------------------------------------------------------------


def perceptron(inputs: int = 64, outputs: int = 10, rate: float = 0.0) -> nn.Sequential:
    """Two hidden layers of 64 units with ReLU, and dropout before the last layer if `rate` is not zero."""
    hidden = [nn.Flatten(), nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*hidden, *([nn.Dropout(rate)] if rate else []), nn.Linear(64, outputs))


def self_normalizing() -> nn.Sequential:
    """Two hidden layers with SELU, initialized with LeCun's normal distribution."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 10))
    for layer in network[1::2]:
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    return network


def convolutional(channels: int = 1) -> nn.Sequential:
    """Two convolutions on 8×8 pixels, one pooling, one linear layer."""
    maps = [nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
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
    """An LSTM that reads an image as a sequence of eight rows of eight pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.LSTM(8, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The logits (batch, 10), from the last state."""
        return self.head(self.read(x.squeeze(1))[0][:, -1])


# ---- setups --------------------------------------------------------------------------------------


def _patients(training: Training) -> Setup:
    return Setup(patients(), "scikit-learn's diabetes", lambda: perceptron(10, 1), "10-64-64-1 with ReLU", training)


def _sequences(training: Training) -> Setup:
    return Setup(digits(), PIXELS, Reader, "an LSTM of 32 units that reads the rows of pixels", training)


def _maps() -> Setup:
    network = "two 3×3 convolutions (8 and 16 channels), pooling, 256-10"
    return Setup(digits(), PIXELS, convolutional, network, _training(epochs=30, schedule="cosine"))


def _colour_images() -> Setup:
    network, training = (
        "two 3×3 convolutions (8 and 16 channels), pooling, 256-10",
        _training(epochs=30, schedule="cosine"),
    )
    data = f"{PIXELS}, each in a random colour"
    return Setup(colour_digits(), data, lambda: convolutional(3), network, training)


def _clips() -> Setup:
    network = "two 3×3×3 convolutions (8 and 16 channels) with pooling, 128 units, 10"
    training, data = _training(epochs=40, schedule="cosine"), f"{PIXELS}, moving on noise in clips of 6 frames"
    return Setup(moving_digits(), data, lambda: cnn((1, 6, 12, 12), 10, (8, 16)), network, training)


def _series() -> Setup:
    network = "two convolutions of 3 time steps (16 and 32 channels) with pooling, 128 units, 10"
    data = f"{PIXELS}, read as series of 8 rows"
    return Setup(
        digit_series(), data, lambda: cnn((8, 8), 10, (16, 32)), network, _training(epochs=30, schedule="cosine")
    )


def _sounds() -> Setup:
    network, training = (
        "log-mel spectrograms and two 3×3 convolutions (8 and 16 channels)",
        _training(epochs=12, schedule="cosine"),
    )
    data = "generated sounds (two tones of eight kinds, with noise)"
    return Setup(tones(), data, lambda: mel_cnn((1, 2000), 8, (8, 16), 4000), network, training)


def _texts() -> Setup:
    split = messages()
    words = split.spec.inputs.vocabulary
    data, network = "generated messages on four subjects", "the mean of 32 numbers per word, 32-4 with ReLU"
    return Setup(split, data, lambda: bag(words, 4, (32, 32)), network, _training(epochs=30, schedule="cosine"))


BY_KIND: dict[str, Callable[[], Setup]] = {
    "table": lambda: _patients(COSINE),
    "image": _maps, "video": _clips, "series": _series, "sound": _sounds, "text": _texts,
}  # fmt: skip
"""Data kind → setup for its augmentations."""


def _rare() -> Setup:
    data, network = f"{PIXELS}, 8 against all others", "64-64-64-2 with ReLU"
    return Setup(digits(8), data, lambda: perceptron(outputs=2), network, COSINE, "balanced accuracy")


def _rare_rows() -> Setup:
    data, network = f"{PIXELS} as rows of 64 numbers, 8 against all others", "64-64-64-2 with ReLU"
    return Setup(
        digit_rows(), data, lambda: nn.Sequential(*perceptron(outputs=2)[1:]), network, COSINE, "balanced accuracy"
    )


def _fast_sequences() -> Setup:
    return _sequences(_training(epochs=30, learning_rate=0.03))


OWN: dict[str, Callable[[], Setup]] = {
    "alpha_dropout": lambda: Setup(digits(), PIXELS, self_normalizing, "64-64-64-10 with SELU", COSINE),
    "class_balance": _rare,
    "class_weights": _rare,
    "cut_out": _maps,
    "smote": _rare_rows,
    "clip_grad_norm": _fast_sequences,
    "clip_grad_value": _fast_sequences,
    "cutmix": _maps,
    "divergence_stop": lambda: Setup(
        digits(), PIXELS, perceptron, MLP, _training(epochs=30, learning_rate=0.3, optimizer="sgd")
    ),
}
"""Techniques that need a specific setup: imbalanced classes, images, steps that are too large."""
