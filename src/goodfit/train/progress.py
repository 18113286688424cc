"""Progress bars of training: of one run, and of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from goodfit.data import Metric
from goodfit.progress import ProgressBar


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
        self, runs: int, epochs: int, metric: Metric, show: bool | None = None, title: str = "training"
    ) -> None:
        super().__init__(epochs, title, "epochs", show)
        self.runs, self.metric = runs, metric
        self.finished, self.members, self.steps, self.seconds = 0, 0, 0, 0.0
        self.best: float | None = None
        self.note = ""

    def add_epoch(self, members: int, steps: int, seconds: float, scores: Sequence[float]) -> None:
        """Add an epoch of the members in training: their optimizer steps, time, and scores on the stop rows."""
        self.members, self.steps, self.seconds = members, self.steps + steps, self.seconds + seconds
        for score in scores:
            better = self.best is None or (score > self.best) == self.metric.higher_is_better
            self.best = score if score == score and better else self.best
        self._show(len(scores))

    def add_run(self, remaining_epochs: int) -> None:
        """Add a finished run; `remaining_epochs` will not be trained."""
        self.finished += 1
        self._show(remaining_epochs)

    def _show(self, epochs: int) -> None:
        parts = [f"{self.finished} of {self.runs} runs", f"{self.members} in training"]
        if self.best is not None:
            parts.append(f"best {self.metric.name} {self.best:.4f}")
        if self.seconds:
            parts.append(f"{self.steps / self.seconds:,.0f} steps/s")
        self.update(advance=epochs, note="  ".join([*parts, self.note]))
