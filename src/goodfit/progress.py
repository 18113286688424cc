"""Progress on standard error: a bar on a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


def is_shown(show: bool | None) -> bool:
    """Whether to show a bar: `show`, or if it is None, whether standard error is a terminal."""
    return sys.stderr.isatty() if show is None else show


INTERVAL = 10.0
"""Seconds between two lines where standard error is no terminal."""


class Display(Protocol):
    """Shows the progress of a task."""

    def start(self) -> None:
        """Begin to show it."""
        ...

    def stop(self) -> None:
        """End."""
        ...

    def update(self, completed: int | None, advance: int | None, note: str | None) -> None:
        """Set or advance the number of completed units; replace the note."""
        ...


class ProgressBar:
    """A context manager that shows title, bar, completed and total units, a note and the time left.

    `unit` is printed after the numbers ("3/10 epochs"). `show=None` shows a bar on a terminal, and otherwise prints a
    line every 10 seconds; `show=False` shows nothing and does not import rich.

    >>> with ProgressBar(3, "training", "epochs", show=False) as bar:
    ...     bar.update(completed=1, note="loss 0.5")
    """

    def __init__(self, total: int, title: str, unit: str = "", show: bool | None = None) -> None:
        self._display: Display | None = None
        if is_shown(show):
            self._display = _Bar(total, title, unit)
        elif show is None:
            self._display = _Lines(total, title, unit)

    def __enter__(self) -> Self:
        if self._display:
            self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display:
            self._display.stop()

    def update(self, *, completed: int | None = None, advance: int | None = None, note: str | None = None) -> None:
        """Set the number of completed units or increase it by `advance`; replace the note if there is one."""
        if self._display:
            self._display.update(completed, advance, note)


class _Bar:
    """A bar on a terminal."""

    def __init__(self, total: int, title: str, unit: str) -> None:
        self.progress = _rich_progress(unit)
        self.task = self.progress.add_task(title, total=total, note="")

    def start(self) -> None:
        self.progress.start()

    def stop(self) -> None:
        self.progress.stop()

    def update(self, completed: int | None, advance: int | None, note: str | None) -> None:
        fields: dict[str, Any] = {} if note is None else {"note": note}
        self.progress.update(self.task, completed=completed, advance=advance, **fields)


class _Lines:
    """A line every `INTERVAL` seconds, printed by a thread, because a single unit may take longer."""

    def __init__(self, total: int, title: str, unit: str) -> None:
        self.total, self.title, self.unit = total, title, unit
        self.completed, self.note, self.began = 0, "", time.monotonic()
        self.ended = threading.Event()

    def start(self) -> None:
        self.began = time.monotonic()
        threading.Thread(target=self._print, name="goodfit-progress", daemon=True).start()

    def stop(self) -> None:
        self.ended.set()

    def update(self, completed: int | None, advance: int | None, note: str | None) -> None:
        self.completed = (self.completed if completed is None else completed) + (advance or 0)
        self.note = self.note if note is None else note

    def _print(self) -> None:
        while not self.ended.wait(INTERVAL):
            with contextlib.suppress(OSError, ValueError):  # standard error is closed
                sys.stderr.write(f"{self.line(time.monotonic() - self.began)}\n")
                sys.stderr.flush()

    def line(self, seconds: float) -> str:
        """The line after so many seconds."""
        parts = [f"{self.title}: {self.completed}/{self.total} {self.unit}".rstrip(), self.note]
        if 0 < self.completed < self.total:
            parts.append(f"about {_duration(seconds / self.completed * (self.total - self.completed))} left")
        return "  ".join(filter(None, parts))


def _duration(seconds: float) -> str:
    """A time in words.

    >>> _duration(42.4), _duration(200), _duration(7300)
    ('42 s', '3 min', '2 h 2 min')
    """
    minutes = round(seconds / 60)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def track(iterable: Iterable[T], title: str, total: int | None = None, show: bool | None = None) -> Iterator[T]:
    """Iterate with a progress bar; `total` is the number of items, by default `len(iterable)`.

    >>> list(track([1, 2], "reading", show=False))
    [1, 2]
    """
    if total is None:
        total = len(iterable) if isinstance(iterable, Sized) else 0
    with ProgressBar(total, title, show=show) as bar:
        for item in iterable:
            yield item
            bar.update(advance=1)


def _rich_progress(unit: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    note = TextColumn(f"{unit}  {{task.fields[note]}}" if unit else "{task.fields[note]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), note, TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


class RunProgress(ProgressBar):
    """The epochs of one run, with loss and metric on training and stop rows and their gap."""

    def __init__(self, epochs: int, metric: str, show: bool | None = None) -> None:
        super().__init__(epochs, "training", show=show)
        self.metric = metric

    def show(self, epoch: int, row: Mapping[str, float]) -> None:
        """Show the newest row of the History."""
        train, stop = row[f"train_{self.metric}"], row[f"stop_{self.metric}"]
        losses = f"loss {row['train_loss']:.4f} / {row['stop_loss']:.4f}"
        scores = f"{self.metric} {train:.4f} / {stop:.4f}  gap {train - stop:+.4f}"
        self.update(completed=epoch, note=f"{losses}  {scores}")


class ManyProgress(ProgressBar):
    """The epochs of many runs, with finished runs, members in training, the best score and steps per second."""

    def __init__(
        self,
        runs: int,
        epochs: int,
        metric: str,
        higher_is_better: bool,
        show: bool | None = None,
        title: str = "training",
    ) -> None:
        super().__init__(epochs, title, "epochs", show)
        self.runs, self.metric, self.higher_is_better = runs, metric, higher_is_better
        self.finished, self.members, self.steps, self.seconds = 0, 0, 0, 0.0
        self.best: float | None = None
        self.note = ""

    def add_epoch(self, members: int, steps: int, seconds: float, scores: Sequence[float]) -> None:
        """Add an epoch of the members in training: their optimizer steps, time, and scores on the stop rows."""
        self.members, self.steps, self.seconds = members, self.steps + steps, self.seconds + seconds
        for score in scores:
            better = self.best is None or (score > self.best) == self.higher_is_better
            self.best = score if score == score and better else self.best
        self._show(len(scores))

    def add_run(self, remaining_epochs: int) -> None:
        """Add a finished run; `remaining_epochs` will not be trained."""
        self.finished += 1
        self._show(remaining_epochs)

    def _show(self, epochs: int) -> None:
        parts = [f"{self.finished} of {self.runs} runs", f"{self.members} in training"]
        if self.best is not None:
            parts.append(f"best {self.metric} {self.best:.4f}")
        if self.seconds:
            parts.append(f"{self.steps / self.seconds:,.0f} steps/s")
        self.update(advance=epochs, note="  ".join([*parts, self.note]))
