"""Which linear layers oneDNN computes faster than torch's default on this processor: measured once, then cached."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.data.storage import default_cache_folder
from goodfit.errors import InputError
from goodfit.kernels.linear import linear, onednn_product
from goodfit.serialization import read_json, write_json

SIZES = ((64, 128, 128), (64, 256, 256), (128, 512, 512), (256, 1024, 1024))
"""The layers that are measured: rows, inputs and outputs."""
FASTER = 0.9
"""oneDNN is used if it takes at most this share of torch's time in three of four measurements."""
ROUNDS, SECONDS = 9, 0.06
"""Measurements per layer, at most; fewer if they take longer than this."""
LEAST_SIDE = 32
"""Layers with fewer rows, inputs or outputs stay with torch: their time is that of reading the weights."""
VERSION = 1


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


def product_choice() -> ProductChoice:
    """The choice for this processor and the number of threads that torch uses.

    The environment variable `GOODFIT_PRODUCTS=torch` switches oneDNN off.
    """
    if os.environ.get("GOODFIT_PRODUCTS", "") == "torch" or onednn_product() is None:
        return ProductChoice()
    return _cached_choice(torch.get_num_threads())


@cache
def _cached_choice(threads: int) -> ProductChoice:
    """The choice from the cache file; measured if the file lacks it, or is damaged."""
    key = f"{processor()}, torch {torch.__version__}, {threads} threads, version {VERSION}"
    path = _cache_file()
    known = _read(path)
    if key not in known:
        known[key] = measure().least
        with contextlib.suppress(OSError):  # a read-only home
            if path:
                write_json(path, known)
    return ProductChoice(known[key])


def _cache_file() -> Path | None:
    try:
        return default_cache_folder() / "products.json"
    except InputError:
        return None


def _read(path: Path | None) -> dict[str, float]:
    """The entries of a cache file, without those that are no numbers of at least 0."""
    try:
        entries = read_json(path) if path else {}
        return {key: value for key, text in entries.items() if (value := float(text)) >= 0}
    except (InputError, AttributeError, TypeError, ValueError):
        return {}


def processor() -> str:
    """The name of the processor.

    >>> processor() == processor() != ""
    True
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def measure() -> ProductChoice:
    """Compare both products, forward and backward, from the largest layer down to the first that is not faster."""
    least = math.inf
    for rows, inputs, outputs in reversed(SIZES):
        if not is_faster(compare(rows, inputs, outputs)):
            break
        least = float(rows * inputs * outputs)
    return ProductChoice(least)


def is_faster(ratios: list[float]) -> bool:
    """Whether the ratios of oneDNN's times to torch's show that it is faster.

    >>> is_faster([0.5, 0.6, 0.7, 2.0]), is_faster([0.5, 0.8, 1.0, 1.1])
    (True, False)
    """
    return float(np.quantile(ratios, 0.75, method="lower")) <= FASTER


def compare(rows: int, inputs: int, outputs: int) -> list[float]:
    """The ratios of oneDNN's times to torch's for one layer, from alternating measurements."""
    generator = torch.Generator().manual_seed(0)
    layer = [torch.randn(shape, generator=generator) for shape in ((rows, inputs), (outputs, inputs), (outputs,))]
    layer = [t.requires_grad_() for t in layer]
    for function in (F.linear, linear):  # the first call prepares the kernel
        _seconds(function, layer)
    ratios: list[float] = []
    began = time.perf_counter()
    while len(ratios) < ROUNDS and (len(ratios) < 3 or time.perf_counter() - began < SECONDS):
        usual = _seconds(F.linear, layer)
        ratios.append(_seconds(linear, layer) / usual)
    return ratios


def _seconds(function: Callable[..., Tensor], layer: list[Tensor]) -> float:
    with torch.enable_grad():
        began = time.perf_counter()
        torch.autograd.grad(function(*layer).sum(), layer)
        return time.perf_counter() - began
