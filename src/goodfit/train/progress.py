"""The progress bar of one run: loss, metric, gap, time left; quiet where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """One bar of epochs on standard error; `show=None` shows it on a terminal only."""

    def __init__(self, epochs: int, metric: str, show: bool | None = None, title: str = "training") -> None:
        shown = sys.stderr.isatty() if show is None else show
        self.metric = metric
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(), console=Console(stderr=True), disable=not shown,
        )  # fmt: skip
        self.task = self.progress.add_task(title, total=epochs, note="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Show the newest row of the History."""
        train, stop = row[f"train_{self.metric}"], row[f"stop_{self.metric}"]
        note = (
            f"loss {row['train_loss']:.4f} / {row['stop_loss']:.4f}  {self.metric} {train:.4f} / {stop:.4f}  "
            f"gap {train - stop:+.4f}"
        )
        self.progress.update(self.task, completed=epoch, note=note)
