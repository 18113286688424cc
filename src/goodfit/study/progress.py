"""The progress bar of a study: runs done, best so far, time left."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from goodfit.study.result import Study


class StudyBar:
    """One bar of runs on standard error; `show=None` shows it on a terminal only."""

    def __init__(self, runs: int, study: Study, show: bool | None = None) -> None:
        shown = sys.stderr.isatty() if show is None else show
        self.study = study
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(), console=Console(stderr=True), disable=not shown,
        )  # fmt: skip
        self.task = self.progress.add_task(f"study of {study.name}", total=runs, note="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def update(self) -> None:
        """Count the run that was finished last."""
        best, last = self.study.best(), self.study.outcomes[-1]
        note = f"{last.candidate.label} (seed {last.seed}) {last.score:.4f}"
        if best is not None:
            note += f"  best: {best.candidate.label} {best.score.mean:.4f}"
        self.progress.update(self.task, completed=len(self.study.outcomes), note=note)
