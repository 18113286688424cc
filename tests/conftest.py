"""Small generated data for every test: noisy classes, two classes, numbers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from goodfit.data import Part, Split, load

os.environ["KERAS_BACKEND"] = "torch"  # for the tests beside Keras, before anything imports it

SIZES = (0.6, 0.1, 0.15, 0.15)  # of 160 rows: 96, 16, 24, 24


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
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


@pytest.fixture(scope="session")
def three() -> Split:
    """Three noisy classes; 96 training rows of 6 features."""
    return blobs(3)


@pytest.fixture(scope="session")
def two() -> Split:
    """Two noisy classes; 96 training rows of 6 features."""
    return blobs(2)


@pytest.fixture(scope="session")
def numbers() -> Split:
    """A regression; 96 training rows of 6 features."""
    return linear()


@pytest.fixture(scope="session")
def doubled() -> Callable[[Split], Split]:
    """The same split in double precision."""

    def double(part: Part) -> Part:
        y = part.y.double() if part.y.is_floating_point() else part.y
        return dataclasses.replace(part, x=part.x.double(), y=y)

    def convert(split: Split) -> Split:
        return dataclasses.replace(split, **{name: double(part) for name, part in split.parts.items()})

    return convert


@pytest.fixture
def net() -> Callable[..., nn.Sequential]:
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
