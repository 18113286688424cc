"""The setup of every technique: a small network and data on which it acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.models import text_cnn
from goodfit.rng import seeded
from goodfit.stages import Augmentation, BranchNoise, Noise, OnLoss, Recurrent
from goodfit.technique import Technique
from goodfit.testing.data import (
    make_classification,
    make_images,
    make_regression,
    make_series,
    make_sounds,
    make_texts,
    make_videos,
)


@dataclass(frozen=True)
class Setup:
    """A network and data on which a technique acts."""

    split: Split
    build: Callable[[], nn.Module]
    selector: str
    """Selects some of the network's layers, but not all."""

    def model(self) -> nn.Module:
        """The network. Its initial weights are always the same, and large, so that bounds on them have an effect."""
        with seeded(0):
            network = self.build()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(2.0)
        return network


def setup(technique: type[Technique]) -> Setup:
    """The setup of a technique, chosen from its base classes and declarations."""
    if issubclass(technique, Augmentation) and make_classification().spec.inputs.kind not in technique.kinds:
        return _augmentation_setup(technique)
    split = make_regression() if technique.needs_targets == "numbers" else make_classification()
    outputs = split.spec.n_outputs
    if issubclass(technique, BranchNoise):
        return Setup(split, partial(residual_net, outputs), "1.branch")
    if issubclass(technique, Recurrent):
        return Setup(split, partial(RecurrentNet, outputs), "first")
    if issubclass(technique, Noise) and technique.convolutions_only:
        return Setup(split, partial(small_cnn, outputs), "3")
    if issubclass(technique, OnLoss) and technique.needs_noise:
        return Setup(split, partial(dropout_net, outputs), "1")
    return Setup(split, partial(make_net, outputs, gain=1.5), "2")


def make_net(outputs: int = 3, *, inputs: int = 6, hidden: int = 8, gain: float = 1.0, seed: int = 0) -> nn.Sequential:
    """A network with two hidden layers, initialized from a seed; `gain` multiplies the initial weights."""
    with seeded(seed):
        first, second, head = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)
    with torch.no_grad():
        for layer in (first, second, head):
            layer.weight.mul_(gain)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), head)


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch to its input."""
        return x + self.branch(x)  # type: ignore[no-any-return]


def residual_net(outputs: int) -> nn.Sequential:
    """A network with two residual branches, for six features."""
    return nn.Sequential(nn.Linear(6, 8), Residual(8), nn.ReLU(), Residual(8), nn.Linear(8, outputs))


class RecurrentNet(nn.Module):
    """Two recurrent layers that read six features as a sequence of three pairs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first = nn.LSTM(2, 8, batch_first=True)
        self.second = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 6) to (batch, outputs)."""
        states, _ = self.second(self.first(x.reshape(len(x), 3, 2))[0])
        return self.head(states[:, -1])  # type: ignore[no-any-return]


def small_cnn(outputs: int) -> nn.Sequential:
    """A convolutional network that reads six features as an image of 2 × 3."""
    layers = [nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(4, 4, 2), nn.Flatten(), nn.Linear(4 * 2, outputs))


def dropout_net(outputs: int) -> nn.Sequential:
    """A network with its own dropout layer."""
    return nn.Sequential(make_net(8, gain=1.5), nn.Dropout(0.3), nn.Linear(8, outputs))


def image_net(split: Split) -> nn.Sequential:
    """For images of 3 × 8 × 8."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, split.spec.n_outputs))


def video_net(split: Split) -> nn.Sequential:
    """For videos of 1 × 6 × 8 × 8."""
    return nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 36, split.spec.n_outputs))


def sound_net(split: Split) -> nn.Sequential:
    """For sounds of 1 × 256."""
    layer = nn.Conv1d(1, 4, 16, stride=8)
    return nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 31, split.spec.n_outputs))


def series_net(split: Split) -> nn.Sequential:
    """For series of 2 × 24."""
    return nn.Sequential(nn.Conv1d(2, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 20, split.spec.n_outputs))


def text_net(split: Split) -> nn.Module:
    """For texts."""
    return text_cnn(split.spec.inputs.vocabulary, split.spec.n_outputs, (4, 4))


NETWORKS: tuple[tuple[Callable[[], Split], Callable[[Split], nn.Module]], ...] = (
    (make_sounds, sound_net),
    (make_series, series_net),
    (make_texts, text_net),
    (make_images, image_net),
    (make_videos, video_net),
)
"""Data, and the network for it. The first that an augmentation accepts is its setup."""


def _augmentation_setup(technique: type[Augmentation]) -> Setup:
    for make_split, network in NETWORKS:
        split = make_split()
        if split.spec.inputs.kind in technique.kinds:
            return Setup(split, partial(network, split), "0")
    raise InputError(
        f"{technique.__name__}: kinds must name kinds of data, got kinds={technique.kinds!r}; use image, video, sound, "
        "series, text or table."
    )
