"""Measurements of this processor, which are made once and then read from the user's cache folder."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from goodfit.data.storage import default_cache_folder
from goodfit.errors import InputError
from goodfit.serialization import read_json, write_json

FILE = "kernels.json"
FASTER = 0.95
"""Another kernel is used if it takes at most this share of torch's time."""
SECONDS_TO_WAIT = 60
"""Another process that measures at the same time is waited for, at most this long."""
VERSION = 2

_known: dict[str, float] = {}


def switched_off() -> bool:
    """Whether the user wants torch's own kernels only: `GOODFIT_PRODUCTS=torch`."""
    return os.environ.get("GOODFIT_PRODUCTS", "") == "torch"


def measured(question: str, measure: Callable[[], float]) -> float | None:
    """The result of a measurement, at least 0; it is made if the cache file does not hold it, or is damaged.

    It depends on the processor, torch's version and the number of threads. None if it cannot be stored: other processes
    would measure again, might choose other kernels, and would differ from this one in rounding.
    """
    key = f"{question}, {processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads, version {VERSION}"
    if key not in _known:
        with contextlib.suppress(
            InputError, OSError, NotImplementedError, Timeout
        ):  # no home, read-only, without locks
            path = default_cache_folder() / FILE
            _known.update(_read(path))
            if key not in _known:
                _measure(key, measure, path)
    return _known.get(key)


def _measure(key: str, measure: Callable[[], float], path: Path) -> None:
    """Measure and store the result, unless another process does so meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock"), timeout=SECONDS_TO_WAIT):
        stored = _read(path)
        if key not in stored:
            stored[key] = measure()
            write_json(path, stored)
        _known.update(stored)


def _read(path: Path) -> dict[str, float]:
    """The entries of a cache file, without those that are no numbers of at least 0."""
    try:
        return {key: value for key, text in read_json(path).items() if (value := float(text)) >= 0}
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


def time_ratio(usual: Callable[[], object], other: Callable[[], object], rounds: int, seconds: float) -> float:
    """The time of one function relative to another, from alternating calls.

    The larger of two figures, because a busy machine must not make `other` look fast: the median of the ratios within
    rounds, and the ratio of the shortest times.

    Args:
        usual: the function to compare with.
        other: the function that may be faster.
        rounds: how many times each is called, after a first call that is not timed.
        seconds: fewer rounds, but at least three, are made if they take longer than this.
    """
    usual(), other()
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    while len(times) < rounds and (len(times) < 3 or time.perf_counter() - began < seconds):
        times.append((_seconds(usual), _seconds(other)))
    return ratio_of(times)


def ratio_of(times: list[tuple[float, float]]) -> float:
    """The ratio for pairs of times of the usual and the other function.

    >>> ratio_of([(1.0, 0.5), (1.0, 0.7), (1.0, 2.0)])
    0.7
    >>> ratio_of([(1.0, 0.9), (5.0, 1.0), (5.0, 1.0)])
    0.9
    """
    ratios = [other / usual for usual, other in times]
    shortest = min(other for _, other in times) / min(usual for usual, _ in times)
    return max(statistics.median(ratios), shortest)


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
