"""The progress bar of many runs: members alive, best so far, member-steps per second, time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from goodfit.data import metric
from goodfit.progress import ProgressBar


class ManyBar:
    """A progress bar of the epochs of many runs on standard error; `show=None` shows it on a terminal only."""

    def __init__(self, runs: int, epochs: int, name: str, show: bool | None = None, title: str = "training") -> None:
        self.runs, self.name, self.higher = runs, name, metric(name).higher_is_better
        self.ended, self.alive, self.steps, self.seconds = 0, 0, 0, 0.0
        self.best: float | None = None
        self.note = ""
        self.bar = ProgressBar(epochs, title, "epochs", show)

    def __enter__(self) -> Self:
        self.bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.__exit__(kind, error, trace)

    def epochs(self, alive: int, steps: int, seconds: float, scores: list[float]) -> None:
        """Record an epoch of the members in training: `steps` optimizer steps in all, scores on the stop part."""
        self.alive, self.steps, self.seconds = alive, self.steps + steps, self.seconds + seconds
        for score in scores:
            better = self.best is None or (score > self.best) == self.higher
            self.best = score if score == score and better else self.best
        self._show(len(scores))

    def run(self, spared: int) -> None:
        """Record that a run ended `spared` epochs early."""
        self.ended += 1
        self._show(spared)

    def _show(self, epochs: int) -> None:
        parts = [f"{self.ended} of {self.runs} runs", f"{self.alive} alive"]
        if self.best is not None:
            parts.append(f"best {self.name} {self.best:.4f}")
        if self.seconds:
            parts.append(f"{self.steps / self.seconds:,.0f} steps/s")
        self.bar.update(advance=epochs, note="  ".join([*parts, self.note]))


def now() -> float:
    """A clock for rates."""
    return time.perf_counter()
