"""Which linear layers oneDNN computes faster than torch's default on this processor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.kernels.linear import TORCH_LINEAR, linear, onednn_product
from goodfit.kernels.measurements import FASTER, measured, switched_off, time_ratio

SIZES = ((64, 128, 128), (64, 256, 256), (128, 512, 512), (256, 1024, 1024), (96, 2048, 2048))
"""The layers that are measured: rows, inputs and outputs."""
ROUNDS, SECONDS = 7, 0.04
"""Rounds per layer, at most; fewer if they take longer than this."""
LEAST_SIDE = 32
"""Layers with fewer rows, inputs or outputs stay with torch: their time is that of reading the weights."""


@dataclass(frozen=True)
class ProductChoice:
    """The layers that oneDNN computes: those with at least `least` multiplications (rows · inputs · outputs)."""

    least: float = math.inf

    def covers(self, rows: int, inputs: int, outputs: int) -> bool:
        """Whether oneDNN computes a layer of this size.

        >>> ProductChoice(1e6).covers(64, 256, 256), ProductChoice(1e6).covers(64, 64, 64)
        (True, False)
        """
        return min(rows, inputs, outputs) >= LEAST_SIDE and rows * inputs * outputs >= self.least


_active: ContextVar[ProductChoice | None] = ContextVar("products", default=None)


@contextmanager
def use_products(choice: ProductChoice) -> Iterator[None]:
    """A block in which `product_choice` is this choice: that of the run being trained."""
    token = _active.set(choice)
    try:
        yield
    finally:
        _active.reset(token)


def product_choice() -> ProductChoice:
    """The choice for this processor and the number of threads that torch uses.

    The environment variable `GOODFIT_PRODUCTS=torch` switches oneDNN off.
    """
    active = _active.get()
    if active is not None:
        return active
    if switched_off() or onednn_product() is None:
        return ProductChoice()
    least = measured("linear layers", lambda: measure().least)
    return ProductChoice(math.inf if least is None else least)


def measure() -> ProductChoice:
    """Compare both products, forward and backward, from the largest layer down to the first that is not faster."""
    least = math.inf
    for rows, inputs, outputs in reversed(SIZES):
        if compare(rows, inputs, outputs) > FASTER:
            break
        least = float(rows * inputs * outputs)
    return ProductChoice(least)


def compare(rows: int, inputs: int, outputs: int) -> float:
    """oneDNN's time relative to torch's for one layer, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    shapes = (rows, inputs), (outputs, inputs), (outputs,)
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        layer = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]

        def step(product: Callable[..., Tensor]) -> None:
            torch.autograd.grad(product(*layer).sum(), layer)

        return time_ratio(lambda: step(TORCH_LINEAR), lambda: step(linear), ROUNDS, SECONDS)
