"""The networks and data that are trained; all trainers use the same arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from goodfit import models

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
LABELLED, TRAINED = 49_000, 34_300  # case study 1: 49,000 digits, split 70:30


def perceptron(sizes: Sequence[int]) -> nn.Sequential:
    """Fully connected layers with ReLU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def convolutional(sizes: Sequence[int], side: int = 28) -> nn.Sequential:
    """3×3 convolutions, each followed by ReLU, 2×2 pooling, a linear layer; sizes: channels, then classes."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes[:-1]):
        layers += [nn.Conv2d(a, b, 3), nn.ReLU()]
        side -= 2
    pooled = nn.MaxPool2d(2), nn.Flatten(), nn.Linear(sizes[-2] * (side // 2) ** 2, sizes[-1])
    return nn.Sequential(*layers, *pooled)


@dataclass(frozen=True)
class Problem:
    """One network and one split data set: float32 values (images are flat except in `conv`), int64 classes."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    x: Tensor  # (row, feature) or (row, channel, height, width)
    y: Tensor  # (row,)
    xv: Tensor  # (validation row, …)
    yv: Tensor
    origin: str
    learning_rate: float = 1e-3
    validation_batch: int = 2048
    build: Callable[[Sequence[int]], nn.Module] = perceptron

    @property
    def is_perceptron(self) -> bool:
        """Whether the network consists of fully connected layers of `sizes`."""
        return self.build is perceptron

    @property
    def network_name(self) -> str:
        """The network and the shape of its inputs."""
        if self.is_perceptron:
            return "-".join(map(str, self.sizes))
        return f"{self.name} on images of {'×'.join(map(str, self.x.shape[1:]))}"

    @property
    def steps(self) -> int:
        """Steps per epoch, including the incomplete last batch."""
        return -(-len(self.x) // self.batch)

    @property
    def flop(self) -> float:
        """The minimum arithmetic of an epoch and its validation.

        A weight costs 2 FLOP per sample forward and 4 backward (one product for each of the two gradients).
        Biases, activations and the optimizer cost an order of magnitude less and are not counted.
        """
        if not self.is_perceptron:
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                self.network(0).eval()(self.x[:1])
            return counter.get_total_flops() * (3.0 * len(self.x) + len(self.xv))
        weights = sum(a * b for a, b in pairwise(self.sizes))
        return weights * (6.0 * len(self.x) + 2.0 * len(self.xv))

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The same memory as NumPy arrays."""
        return self.x.numpy(), self.y.numpy(), self.xv.numpy(), self.yv.numpy()

    def network(self, seed: int) -> nn.Module:
        """A network with initial weights from the seed; all torch trainers of a round start from the same."""
        torch.manual_seed(seed)
        return self.build(self.sizes)


def mnist(path: Path) -> Problem:
    """Case study 1: 784-5×500-10 on 34,300 digits, validated on 14,700."""
    exists = path.is_file()
    images, labels = _digits(path) if exists else _generated_digits()
    order = torch.randperm(LABELLED, generator=torch.Generator().manual_seed(0))
    x, y = images[order], labels[order]
    return Problem(
        name="mnist",
        sizes=(784, 500, 500, 500, 500, 500, 10),
        batch=128,
        x=x[:TRAINED].contiguous(),
        y=y[:TRAINED].contiguous(),
        xv=x[TRAINED:].contiguous(),
        yv=y[TRAINED:].contiguous(),
        origin="MNIST" if exists else f"generated digits of the same shape, because {path.name} was not found",
    )


def conv(path: Path) -> Problem:
    """The same digits as 1×28×28 images in a small convolutional network of its own: conv16-conv32-pool-linear."""
    digits = mnist(path)
    images = {"x": digits.x.view(-1, 1, 28, 28), "xv": digits.xv.view(-1, 1, 28, 28)}
    return replace(digits, name="conv", sizes=(1, 16, 32, 10), batch=64, build=convolutional, **images)


def wide(path: Path) -> Problem:
    """784-2048-2048-10 on 12,800 digits: nearly all time is that of the matrix products."""
    return replace(_first(mnist(path), 12_800, 2_048), name="wide", sizes=(784, 2048, 2048, 10))


def cnn(path: Path) -> Problem:
    """goodfit's `cnn` on 12,800 digits."""
    return _as_images(_first(mnist(path), 12_800, 2_048), "cnn")


def resnet(path: Path) -> Problem:
    """goodfit's `resnet` on generated colour images of 64×64."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(10, (1_280,), generator=generator)
    pictures = torch.rand(10, 3, 64, 64, generator=generator)
    x = pictures[y] + torch.rand(len(y), 3, 64, 64, generator=generator)
    parts = x[:1_024], y[:1_024], x[1_024:], y[1_024:]
    problem = Problem("resnet", (10,), 32, *parts, origin="generated images", validation_batch=256)
    return replace(problem, build=_reference_network("resnet", problem))


def _first(problem: Problem, rows: int, held_out: int) -> Problem:
    parts = {"x": problem.x[:rows], "y": problem.y[:rows], "xv": problem.xv[:held_out], "yv": problem.yv[:held_out]}
    return replace(problem, **parts)


def _as_images(problem: Problem, name: str) -> Problem:
    images = {"x": problem.x.view(-1, 1, 28, 28), "xv": problem.xv.view(-1, 1, 28, 28)}
    problem = replace(problem, name=name, sizes=(10,), batch=64, **images)
    return replace(problem, build=_reference_network(name, problem))


def _reference_network(name: str, problem: Problem) -> Callable[[Sequence[int]], nn.Module]:
    """A builder whose initial weights follow from torch's generator, as those of `perceptron` do."""

    def build(sizes: Sequence[int]) -> nn.Module:
        return models.build(name, tuple(problem.x.shape[1:]), sizes[-1], torch.initial_seed() % 2**31, 0)

    return build


def small(rows: int = 2_000, held_out: int = 500) -> Problem:
    """20-64-64-2 on generated rows: so little arithmetic that the overhead per step of a trainer dominates."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows + held_out, 20, generator=generator)
    direction = torch.randn(20, generator=generator)
    score = x @ direction + 2 * x[:, 0] * x[:, 1] + torch.randn(len(x), generator=generator)
    y = (score > 0).long()
    parts = x[:rows].contiguous(), y[:rows].contiguous(), x[rows:].contiguous(), y[rows:].contiguous()
    return Problem("small", (20, 64, 64, 2), 64, *parts, origin="generated rows")


def _digits(path: Path) -> tuple[Tensor, Tensor]:
    with np.load(path) as file:
        images, labels = file["x_train"][:LABELLED], file["y_train"][:LABELLED]
    return torch.from_numpy(images.reshape(LABELLED, -1) / np.float32(255)), torch.from_numpy(labels).long()


def _generated_digits() -> tuple[Tensor, Tensor]:
    """Ten random pictures with noise: learnable, so accuracies still show whether a trainer works."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (LABELLED,), generator=generator)
    pictures = torch.rand(10, 784, generator=generator)
    return pictures[labels] + torch.rand(LABELLED, 784, generator=generator), labels
