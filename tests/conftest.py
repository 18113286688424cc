"""Small generated data for every test, and a network for every technique to act on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Clips, Inputs, Part, Series, Sounds, Split, load
from goodfit.models import text_cnn
from goodfit.recipe import Recipe
from goodfit.stages import Augmentation, BranchNoise, Noise, OnLoss, Recurrent
from goodfit.technique import Technique
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext

os.environ["KERAS_BACKEND"] = "torch"  # for the tests beside Keras, before anything imports it

SIZES = (0.6, 0.1, 0.15, 0.15)  # of 160 rows: 96, 16, 24, 24


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def blobs(classes: int, rows: int = 160, features: int = 6, seed: int = 0) -> Split:
    """Overlapping clouds of points, a tenth of them with a wrong label."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    x = rng.normal(size=(classes, features))[y] + rng.normal(size=(rows, features))
    wrong = rng.random(rows) < 0.1
    return load((x, np.where(wrong, (y + 1) % classes, y))).split(sizes=SIZES)


def linear(rows: int = 160, features: int = 6, noise: float = 0.3, seed: int = 0) -> Split:
    """Numbers that depend on the features in a straight line, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features))
    y = x @ rng.normal(size=features) + noise * rng.normal(size=rows)
    return load((x, y), task="regression").split(sizes=SIZES)


def pictures(rows: int = 160, size: int = 8, seed: int = 0) -> Split:
    """Small coloured images of three classes: bars at three heights, on noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    x = rng.integers(0, 160, size=(rows, size, size, 3))
    for row, kind in enumerate(y):
        x[row, 1 + 2 * kind : 3 + 2 * kind, 1:6] += 90
    return load((x.astype(np.uint8), y)).split(sizes=SIZES)


@pytest.fixture(scope="session")
def image_split() -> Split:
    """Coloured images of three classes; 96 training rows of 3 × 8 × 8."""
    return pictures()


def clips(rows: int = 160, frames: int = 6, seed: int = 0) -> Split:
    """Grey clips of three classes: a bar that moves down at three speeds, on noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    x = rng.integers(0, 120, size=(rows, frames, 8, 8))
    for row, speed in enumerate(y):
        for frame in range(frames):
            x[row, frame, (row + frame * (1 + speed)) % 8] += 120
    return load((x.astype(np.uint8), y), options=Clips()).split(sizes=SIZES)


@pytest.fixture(scope="session")
def video_split() -> Split:
    """Clips of three classes; 96 training rows of 1 × 6 × 8 × 8."""
    return clips()


def tones(rows: int = 160, length: int = 256, seed: int = 0) -> Split:
    """Sounds of three classes: tones of three heights that begin anywhere, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    turns = 2 * np.pi * (np.array([0.02, 0.05, 0.12])[y][:, None] * np.arange(length) + rng.random((rows, 1)))
    x = np.sin(turns) + 0.5 * rng.normal(size=(rows, length))
    return load((x[:, None], y), options=Sounds()).split(sizes=SIZES)


@pytest.fixture(scope="session")
def sound_split() -> Split:
    """Sounds of three classes; 96 training rows of 1 × 256."""
    return tones()


def movements(rows: int = 160, time: int = 24, seed: int = 0) -> Split:
    """Series of two channels, of three classes: waves of three speeds, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    turns = (1 + y[:, None, None]) * np.arange(time) / time + rng.random((rows, 2, 1))
    x = np.sin(2 * np.pi * turns) + 0.8 * rng.normal(size=(rows, 2, time))
    return load((x, y), options=Series()).split(sizes=SIZES)


@pytest.fixture(scope="session")
def series_split() -> Split:
    """Series of three classes; 96 training rows of 2 × 24."""
    return movements()


def messages(rows: int = 160, seed: int = 0) -> Split:
    """Short texts of three classes, each with words of its own among common ones."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    own = [
        ["happy", "glad", "sweet", "fresh", "nice"],
        ["sad", "angry", "cold", "hard", "slow"],
        ["prize", "cash", "claim", "win", "award"],
    ]
    common = [
        "the",
        "a",
        "to",
        "too",
        "for",
        "of",
        "day",
        "house",
        "work",
        "call",
        "big",
        "small",
        "quick",
        "way",
        "two",
        "tow",
    ]
    texts = []
    for kind in y:
        told = [*rng.choice(own[kind], rng.integers(1, 4)), *rng.choice(common, rng.integers(2, 8))]
        texts.append(" ".join(rng.permutation(told)))
    return load((texts, y)).split(sizes=SIZES)


@pytest.fixture(scope="session")
def text_split() -> Split:
    """Texts of three classes; 96 training rows of up to ten words."""
    return messages()


@pytest.fixture
def augment() -> Callable[..., Tensor]:
    """What a recipe's augmentations make of samples x (batch, …), from a seed."""

    def make(
        recipe: Any,
        x: Tensor,
        y: Tensor | None = None,
        *,
        seed: int = 0,
        inputs: Inputs | None = None,
        classes: Sequence[str] = (),
    ) -> Tensor:
        source = StepContext(torch.Generator().manual_seed(seed))
        augmenting = BatchAugmenter(Recipe.of(recipe), source, inputs or Inputs("image"), classes)
        augmenting.check(x)
        return augmenting(x, torch.zeros(len(x)) if y is None else y)[0]

    return make


@pytest.fixture(scope="session")
def three_class_split() -> Split:
    """Three noisy classes; 96 training rows of 6 features."""
    return blobs(3)


@pytest.fixture(scope="session")
def two_class_split() -> Split:
    """Two noisy classes; 96 training rows of 6 features."""
    return blobs(2)


@pytest.fixture(scope="session")
def regression_split() -> Split:
    """A regression; 96 training rows of 6 features."""
    return linear()


@pytest.fixture(scope="session")
def to_double() -> Callable[[Split], Split]:
    """The same split in double precision."""

    def double(part: Part) -> Part:
        y = part.y.double() if part.y.is_floating_point() else part.y
        return dataclasses.replace(part, x=part.x.double() if part.x.is_floating_point() else part.x, y=y)

    def convert(split: Split) -> Split:
        return dataclasses.replace(split, **{name: double(part) for name, part in split.parts.items()})

    return convert


@pytest.fixture
def make_net() -> Callable[..., nn.Sequential]:
    """A small network from a seed; `gain` scales its weights, so that bounds on them matter."""

    def make(outputs: int = 3, *, inputs: int = 6, hidden: int = 8, gain: float = 1.0, seed: int = 0) -> nn.Sequential:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = nn.Sequential(
                nn.Linear(inputs, hidden),
                nn.ReLU(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Linear(hidden, outputs),
            )
        with torch.no_grad():
            for layer in made[::2]:
                layer.weight.mul_(gain)
        return made

    return make


# ---- where a technique can act ---------------------------------------------------------------------------


def strong(technique: type[Technique]) -> Technique:
    """The technique at the end of its search ranges where it acts most, so that whatever it breaks shows."""
    values = {}
    for name, knob in technique.knobs().items():
        if knob.neutral is not None:
            values[name] = max(knob.search, key=lambda v: abs(v - knob.neutral)) if knob.search else knob.default
            if abs(knob.neutral) > 1e6:  # bounds and patience: the lower, the stronger
                values[name] = min(knob.search)
    return technique.of(values)


@pytest.fixture
def at_work() -> Callable[[type[Technique]], Technique]:
    """The function `strong`."""
    return strong


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def residual(outputs: int) -> nn.Sequential:
    """Two residual branches."""
    return nn.Sequential(nn.Linear(6, 8), Residual(8), nn.ReLU(), Residual(8), nn.Linear(8, outputs))


class Reader(nn.Module):
    """Reads the six features as a sequence of three pairs, in two layers."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first = nn.LSTM(2, 8, batch_first=True)
        self.second = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.second(self.first(x.reshape(len(x), 3, 2))[0])
        return self.head(states[:, -1])  # type: ignore[no-any-return]


def convolutional(outputs: int) -> nn.Sequential:
    """Sees the six features as an image of 2 × 3."""
    maps = [nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 2), nn.ReLU()]
    return nn.Sequential(*maps, nn.Conv2d(4, 4, 2), nn.Flatten(), nn.Linear(4 * 2, outputs))


def seeing(outputs: int) -> nn.Sequential:
    """Sees coloured images of 8 × 8."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, outputs))


def watching(outputs: int) -> nn.Sequential:
    """Watches clips of 6 frames of 8 × 8."""
    return nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 36, outputs))


def hearing(outputs: int) -> nn.Sequential:
    """Hears sounds of 256 samples."""
    return nn.Sequential(nn.Conv1d(1, 4, 16, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 31, outputs))


def following(outputs: int) -> nn.Sequential:
    """Follows series of two channels and 24 time steps."""
    return nn.Sequential(nn.Conv1d(2, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 20, outputs))


@dataclass(frozen=True)
class Home:
    """Data and a network on which a technique can act, and a selector of some of the places that it acts on."""

    split: Split
    make: Callable[[], nn.Module]
    some: str

    def model(self) -> nn.Module:
        """The network, always the same, with large weights, so that bounds on them matter."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            made = self.make()
        with torch.no_grad():
            for parameter in made.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(2.0)
        return made


@pytest.fixture
def home(
    three_class_split: Split,
    regression_split: Split,
    image_split: Split,
    video_split: Split,
    series_split: Split,
    sound_split: Split,
    text_split: Split,
    make_net: Callable[..., nn.Sequential],
) -> Callable[[type[Technique]], Home]:
    """What a technique's type and declarations ask for; there is no list to keep."""

    def choose(technique: type[Technique]) -> Home:
        split = regression_split if technique.needs_targets == "numbers" else three_class_split
        outputs = split.spec.n_outputs
        if issubclass(technique, Augmentation) and technique.kinds == ("video",):
            return Home(video_split, lambda: watching(outputs), "0")
        if issubclass(technique, Augmentation) and "sound" in technique.kinds and "table" not in technique.kinds:
            return Home(sound_split, lambda: hearing(outputs), "0")
        if issubclass(technique, Augmentation) and technique.kinds == ("series",):
            return Home(series_split, lambda: following(outputs), "0")
        if issubclass(technique, Augmentation) and technique.kinds == ("text",):
            return Home(text_split, lambda: text_cnn(text_split.spec.inputs.vocabulary, outputs, (4, 4)), "0")
        if issubclass(technique, Augmentation) and "table" not in technique.kinds:
            return Home(image_split, lambda: seeing(outputs), "0")
        if issubclass(technique, BranchNoise):
            return Home(split, lambda: residual(outputs), "1.branch")
        if issubclass(technique, Recurrent):
            return Home(split, lambda: Reader(outputs), "first")
        if issubclass(technique, Noise) and technique.convolutions_only:
            return Home(split, lambda: convolutional(outputs), "3")
        if issubclass(technique, OnLoss) and technique.needs_noise:
            return Home(
                split, lambda: nn.Sequential(make_net(8, gain=1.5), nn.Dropout(0.3), nn.Linear(8, outputs)), "1"
            )
        return Home(split, lambda: make_net(outputs, gain=1.5), "2")

    return choose
