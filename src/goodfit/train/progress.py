"""The progress bar of one run: loss, metric and gap on the training and stop rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from goodfit.progress import ProgressBar


class Bar:
    """A progress bar of epochs on standard error; `show=None` shows it on a terminal only."""

    def __init__(self, epochs: int, metric: str, show: bool | None = None, title: str = "training") -> None:
        self.metric = metric
        self.bar = ProgressBar(epochs, title, show=show)

    def __enter__(self) -> Self:
        self.bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.__exit__(kind, error, trace)

    def update(self, epoch: int, row: Mapping[str, float]) -> None:
        """Show the newest row of the History."""
        train, stop = row[f"train_{self.metric}"], row[f"stop_{self.metric}"]
        note = (
            f"loss {row['train_loss']:.4f} / {row['stop_loss']:.4f}  {self.metric} {train:.4f} / {stop:.4f}  "
            f"gap {train - stop:+.4f}"
        )
        self.bar.update(completed=epoch, note=note)
