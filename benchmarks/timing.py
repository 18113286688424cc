"""Time trainers in alternating rounds."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from problems import Problem


@dataclass(frozen=True)
class Turn:
    """One training of a new network: `fit` is timed; `accuracy`, on validation rows afterwards, is not."""

    fit: Callable[[], object]
    accuracy: Callable[[], float]


Start = Callable[[int, int], Turn]
"""(epochs, seed) → a training that is ready to start; building model and optimizer is never timed."""

Enter = Callable[[Problem], Start]
"""Imports the trainer's library and prepares it once; raises ImportError if the library is missing."""


@dataclass
class Record:
    """The results of one trainer, in the order of the rounds."""

    name: str
    start: Start
    first: float
    seconds: list[float] = field(default_factory=list)  # per epoch
    epochs: int = 0  # per timing; 0: the same as the others
    accuracies: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def accuracy(self) -> float:
        return statistics.median(self.accuracies)

    def ratio(self, reference: Sequence[float]) -> float:
        """Median of the ratios within each round, so that slow drift (heat, clock) affects both sides."""
        return statistics.median(a / b for a, b in zip(self.seconds, reference, strict=True))


def warm_up(name: str, enter: Enter, problem: Problem) -> Record | None:
    """Train one untimed epoch, in which compilers compile and caches fill; None if the library is missing."""
    try:
        start = enter(problem)
        started = time.perf_counter()
        start(1, 0).fit()
    except ImportError as reason:
        print(f"skipped {name}: {reason}", flush=True)
        return None
    return Record(name, start, time.perf_counter() - started)


def take_turns(records: Sequence[Record], rounds: int, epochs: int) -> list[float]:
    """Time A B C … A B C …; returns the matrix-product rate (FLOP/s) measured at the start of each round."""
    rates = []
    for number in range(rounds):
        rates.append(product_rate())
        for record in records:
            count = record.epochs or epochs
            seconds, accuracy = _timed(record.start(count, number))
            record.seconds.append(seconds / count)
            record.accuracies.append(accuracy)
            print(f"round {number + 1}  {record.name}: {seconds / count:.4g} s/epoch, {accuracy:.4f}", flush=True)
    return rates


def product_rate(size: int = 2048, repeats: int = 5) -> float:
    """FLOP/s of a large float32 matrix product, the fastest of a few."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    torch.mm(a, b)
    spent = []
    for _ in range(repeats):
        started = time.perf_counter()
        torch.mm(a, b)
        spent.append(time.perf_counter() - started)
    return 2 * size**3 / min(spent)


def _timed(turn: Turn) -> tuple[float, float]:
    gc.collect()  # collect the garbage of the previous timing first
    started = time.perf_counter()
    turn.fit()
    seconds = time.perf_counter() - started
    return seconds, turn.accuracy()
