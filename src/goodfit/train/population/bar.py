"""The progress bar of many runs: members alive, best so far, member-steps per second, time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from goodfit.data import metric


class ManyBar:
    """One bar of runs on standard error; `show=None` shows it on a terminal only."""

    def __init__(self, runs: int, epochs: int, name: str, show: bool | None = None, title: str = "training") -> None:
        shown = sys.stderr.isatty() if show is None else show
        self.runs, self.name, self.higher = runs, name, metric(name).higher_is_better
        self.ended, self.alive, self.steps, self.seconds = 0, 0, 0, 0.0
        self.best: float | None = None
        self.note = ""
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[note]}"), TimeRemainingColumn(), console=Console(stderr=True),
            disable=not shown,
        )  # fmt: skip
        self.task = self.progress.add_task(title, total=epochs, note="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def epochs(self, alive: int, steps: int, seconds: float, scores: list[float]) -> None:
        """Members that are alive have ended an epoch, in so many optimizer steps; their scores on the stop part."""
        self.alive, self.steps, self.seconds = alive, self.steps + steps, self.seconds + seconds
        for score in scores:
            better = self.best is None or (score > self.best) == self.higher
            self.best = score if score == score and better else self.best
        self._show(len(scores))

    def run(self, spared: int) -> None:
        """A run has ended, and so many of its epochs will not be trained."""
        self.ended += 1
        self._show(spared)

    def _show(self, epochs: int) -> None:
        parts = [f"{self.ended} of {self.runs} runs", f"{self.alive} alive"]
        if self.best is not None:
            parts.append(f"best {self.name} {self.best:.4f}")
        if self.seconds:
            parts.append(f"{self.steps / self.seconds:,.0f} steps/s")
        self.progress.update(self.task, advance=epochs, note="  ".join([*parts, self.note]))


def now() -> float:
    """A clock for rates."""
    return time.perf_counter()
