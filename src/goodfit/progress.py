"""Progress bars on standard error, hidden when it is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


def is_shown(show: bool | None) -> bool:
    """Whether to show a progress bar: `show`, or if it is None, whether standard error is a terminal."""
    return sys.stderr.isatty() if show is None else show


class ProgressBar:
    """A context manager that shows title, bar, completed and total units, a note and the time left.

    `unit` is printed after the numbers ("3/10 epochs"). `show=None` shows the bar on a terminal only; a hidden bar
    does not import rich.

    >>> with ProgressBar(3, "training", "epochs", show=False) as bar:
    ...     bar.update(completed=1, note="loss 0.5")
    """

    def __init__(self, total: int, title: str, unit: str = "", show: bool | None = None) -> None:
        self._progress: Progress | None = _rich_progress(unit) if is_shown(show) else None
        if self._progress:
            self._task = self._progress.add_task(title, total=total, note="")

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def update(self, *, completed: int | None = None, advance: int | None = None, note: str | None = None) -> None:
        """Set the number of completed units or increase it by `advance`; replace the note if there is one."""
        if self._progress:
            fields: dict[str, Any] = {} if note is None else {"note": note}
            self._progress.update(self._task, completed=completed, advance=advance, **fields)


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
