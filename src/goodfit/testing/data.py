"""Small generated data of every kind, so that training takes milliseconds.

Every function returns a `Split` of 160 rows: train 96, stop 16, validation 24, test 24.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from goodfit.data import Clips, Series, Sounds, Split, load

SIZES = (0.6, 0.1, 0.15, 0.15)
COMMON_WORDS = "the a to too for of day house work call big small quick way two tow"
CLASS_WORDS = ("happy glad sweet fresh nice", "sad angry cold hard slow", "prize cash claim win award")


@cache
def make_classification(classes: int = 3, rows: int = 160, features: int = 6, seed: int = 0) -> Split:
    """Overlapping clusters of points (row, feature); a tenth of the labels is wrong."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    x = rng.normal(size=(classes, features))[y] + rng.normal(size=(rows, features))
    wrong = rng.random(rows) < 0.1
    return load((x, np.where(wrong, (y + 1) % classes, y))).split(sizes=SIZES)


@cache
def make_regression(rows: int = 160, features: int = 6, noise: float = 0.3, seed: int = 0) -> Split:
    """Rows (row, feature) whose target is a linear function of the features, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features))
    y = x @ rng.normal(size=features) + noise * rng.normal(size=rows)
    return load((x, y), task="regression").split(sizes=SIZES)


@cache
def make_images(rows: int = 160, size: int = 8, seed: int = 0) -> Split:
    """Colour images (3, height, width) of three classes: bars at three heights, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    x = rng.integers(0, 160, size=(rows, size, size, 3))
    for row, label in enumerate(y):
        x[row, 1 + 2 * label : 3 + 2 * label, 1:6] += 90
    return load((x.astype(np.uint8), y)).split(sizes=SIZES)


@cache
def make_videos(rows: int = 160, frames: int = 6, seed: int = 0) -> Split:
    """Grey videos (1, frame, 8, 8) of three classes: a bar that moves down at three speeds, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    x = rng.integers(0, 120, size=(rows, frames, 8, 8))
    for row, speed in enumerate(y):
        for frame in range(frames):
            x[row, frame, (row + frame * (1 + speed)) % 8] += 120
    return load((x.astype(np.uint8), y), options=Clips()).split(sizes=SIZES)


@cache
def make_sounds(rows: int = 160, length: int = 256, seed: int = 0) -> Split:
    """Sounds (1, time) of three classes: tones of three pitches with a random phase, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    phase = 2 * np.pi * (np.array([0.02, 0.05, 0.12])[y][:, None] * np.arange(length) + rng.random((rows, 1)))
    x = np.sin(phase) + 0.5 * rng.normal(size=(rows, length))
    return load((x[:, None], y), options=Sounds()).split(sizes=SIZES)


@cache
def make_series(rows: int = 160, time: int = 24, seed: int = 0) -> Split:
    """Series (2, time) of three classes: waves of three frequencies, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    phase = (1 + y[:, None, None]) * np.arange(time) / time + rng.random((rows, 2, 1))
    x = np.sin(2 * np.pi * phase) + 0.8 * rng.normal(size=(rows, 2, time))
    return load((x, y), options=Series()).split(sizes=SIZES)


@cache
def make_texts(rows: int = 160, seed: int = 0) -> Split:
    """Texts of up to ten words, of three classes, each with its own words among common ones."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    common, own, texts = COMMON_WORDS.split(), [words.split() for words in CLASS_WORDS], []
    for label in y:
        words = [*rng.choice(own[label], rng.integers(1, 4)), *rng.choice(common, rng.integers(2, 8))]
        texts.append(" ".join(rng.permutation(words)))
    return load((texts, y)).split(sizes=SIZES)


def to_double(split: Split) -> Split:
    """The same split in double precision."""
    return _with_tensors(split, lambda t: t.double() if t.is_floating_point() else t)


def copy_split(split: Split) -> Split:
    """A copy of a split, with its own tensors."""
    return _with_tensors(split, torch.Tensor.clone)


def _with_tensors(split: Split, convert: Callable[[torch.Tensor], torch.Tensor]) -> Split:
    parts: dict[str, Any] = {
        name: dataclasses.replace(part, x=convert(part.x), y=convert(part.y)) for name, part in split.parts.items()
    }
    return dataclasses.replace(split, **parts)
