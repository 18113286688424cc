"""Lower bounds for every trainer: the arithmetic, and the matrix products of stacked members."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from problems import Problem
from timing import Start, Turn
from torch import Tensor

STACKED = 32


def flop_per_step(problem: Problem) -> float:
    """FLOP per member and step: 2 per weight and row forward and 4 backward; see `Problem.flop`."""
    return 6.0 * problem.batch * sum(a * b for a, b in pairwise(problem.sizes))


@dataclass(frozen=True)
class Layer:
    """One layer of all members, with preallocated results."""

    w: Tensor  # (member, out, in)
    x: Tensor  # (member, batch, in)
    out: Tensor  # (member, batch, out), also used as its gradient
    dw: Tensor  # (member, out, in)
    dx: Tensor  # (member, batch, in)

    @classmethod
    def of(cls, batch: int, inputs: int, outputs: int) -> "Layer":
        def filled(*shape: int) -> Tensor:
            return torch.rand(STACKED, *shape)

        w, x = filled(outputs, inputs), filled(batch, inputs)
        return cls(w, x, filled(batch, outputs), filled(outputs, inputs), filled(batch, inputs))


def products(problem: Problem) -> Start:
    """Only `torch.bmm` of all layers, forward and backward; no biases, activations, loss, optimizer or data."""
    layers = [Layer.of(problem.batch, a, b) for a, b in pairwise(problem.sizes)]

    def start(epochs: int, seed: int) -> Turn:
        return Turn(_repeated(layers, epochs * problem.steps), lambda: 0.0)

    return start


def _repeated(layers: list[Layer], steps: int) -> Callable[[], None]:
    @torch.inference_mode()
    def fit() -> None:
        for _ in range(steps):
            for layer in layers:
                torch.bmm(layer.x, layer.w.mT, out=layer.out)
            for number in reversed(range(len(layers))):
                layer = layers[number]
                torch.bmm(layer.out.mT, layer.x, out=layer.dw)
                if number:  # the gradient of the data is not needed
                    torch.bmm(layer.out, layer.w, out=layer.dx)

    return fit
