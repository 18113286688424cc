"""Progress bars on standard error, hidden when it is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
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
