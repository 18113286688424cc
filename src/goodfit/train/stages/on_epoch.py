"""Runs the OnEpoch stage: the best epoch, the decision to stop, and the History of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from goodfit.errors import InputError, TrainingError
from goodfit.history import History
from goodfit.recipe import Recipe
from goodfit.stages import Decision, MonitorSpec, OnEpoch
from goodfit.train.evaluate import Evaluation

ADVICE = (
    "try a lower learning_rate, clip_grad_norm=1 in the recipe, or look for extreme values in the features and targets"
)


class EpochMonitor:
    """Follows a metric over epochs: the best epoch so far, and whether an OnEpoch technique stops training."""

    def __init__(self, techniques: Sequence[OnEpoch]) -> None:
        self.techniques = list(techniques)
        self.spec = self.techniques[0].monitor_spec() if self.techniques else MonitorSpec()
        self.states = [technique.start() for technique in self.techniques]
        self.best_value: float | None = None
        self.best_epoch = 0
        self.decision = Decision(stop=False)

    def observe(self, epoch: int, row: Mapping[str, float]) -> bool:
        """Record the metrics of an epoch. Returns whether it is the best so far.

        Raises:
            KeyError: a monitored metric is missing; nothing has changed then.
        """
        observed = [t.observe(state, epoch, row) for t, state in zip(self.techniques, self.states, strict=True)]
        value = row[self.spec.monitor]
        improved = epoch > self.spec.start_from_epoch and self.spec.is_better(value, self.best_value)
        if improved:
            self.best_value, self.best_epoch = value, epoch
        self.states = [state for state, _ in observed]
        stops = [decision for _, decision in observed if decision.stop]
        if stops and not self.decision.stop:
            self.decision = stops[0]
        return improved


@dataclass
class RunTracker:
    """Records the History of a run, its best epoch, and why it stopped."""

    monitor: EpochMonitor
    metric: str
    history: History = field(default_factory=History)
    stopped: str = ""
    diverged: bool = False

    @classmethod
    def of(cls, recipe: Recipe, metric: str) -> RunTracker:
        """A tracker before the first epoch."""
        return cls(EpochMonitor(recipe.at(OnEpoch)), metric)

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, from 1; 0 if there is none."""
        return self.monitor.best_epoch

    def record(self, row: dict[str, float]) -> bool:
        """Append an epoch's row to the History. Returns whether the epoch is the best so far."""
        self.history.append(row)
        improved = self.monitor.observe(int(row["epoch"]), row)
        if self.monitor.decision.stop:
            self.stopped = self.stopped or self.monitor.decision.reason
        return improved

    def diverge(self, reason: str) -> None:
        """Stop the run because a loss or weight is not finite.

        Raises:
            TrainingError: there is no epoch whose weights could be kept.
        """
        self.stopped, self.diverged = f"{reason}; {ADVICE}", True
        if not self.best_epoch:
            raise TrainingError(f"training: {self.stopped}.")

    def keeps_best(self, interrupted: bool) -> bool:
        """Whether the run keeps the weights of the best epoch instead of the last ones."""
        return self.best_epoch > 0 and (self.monitor.spec.restore or interrupted or self.diverged)

    def state(self) -> dict[str, Any]:
        """Plain data from which the run can be resumed."""
        monitor = self.monitor
        return {"history": self.history.to_dict(), "states": monitor.states, "best_value": monitor.best_value,
                "best_epoch": monitor.best_epoch, "stopped": self.stopped, "diverged": self.diverged}  # fmt: skip

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.history = History.from_dict(state["history"])
        self.monitor.states, self.monitor.best_epoch = state["states"], state["best_epoch"]
        self.monitor.best_value = None if state["best_value"] is None else float(state["best_value"])
        self.stopped, self.diverged = state["stopped"], state["diverged"]


def check_monitors(recipe: Recipe, metric: str) -> None:
    """Check that the History will have the metrics that a recipe monitors.

    Raises:
        InputError: a technique monitors another name.
    """
    columns = ["train_loss", "stop_loss", f"train_{metric}", f"stop_{metric}", "batch_loss"]
    for technique in recipe.at(OnEpoch):
        monitor = technique.monitor_spec().monitor
        if monitor not in columns:
            raise InputError(
                f"{type(technique).__name__}: monitor must be one of {', '.join(columns)}, got monitor={monitor!r}."
            )


@dataclass(frozen=True)
class EpochStats:
    """What is recorded during the training of an epoch."""

    batch_loss: float  # mean over the batches as they were trained on, with noise and augmentation
    penalties: Mapping[str, float]  # by column
    learning_rate: float  # of the last step
    seconds: float


def history_row(epoch: int, metric: str, train: Evaluation, stop: Evaluation, stats: EpochStats) -> dict[str, float]:
    """The row of the History for an epoch: evaluations on training and stop rows, and training statistics."""
    return {
        "epoch": epoch, "train_loss": train.loss, "train_loss_se": train.loss_se, "stop_loss": stop.loss,
        "stop_loss_se": stop.loss_se, f"train_{metric}": train.metric, f"stop_{metric}": stop.metric,
        "batch_loss": stats.batch_loss, **stats.penalties, "learning_rate": stats.learning_rate,
        "seconds": stats.seconds,
    }  # fmt: skip


def divergence(epoch: int, losses: Tensor, non_finite_weights: Callable[[], Iterable[str]]) -> str:
    """Where the losses (batch,) of an epoch, or else the weights, stopped being finite; empty if all are finite.

    `non_finite_weights` gives the names of weights with values that are not finite.

    >>> divergence(2, torch.tensor([1.0, float("nan")]), lambda: [])
    'the loss became nan in epoch 2, batch 2 of 2'
    >>> divergence(3, torch.tensor([1.0]), lambda: ["0.weight"])
    "the weights '0.weight' stopped being finite in epoch 3"
    """
    finite = torch.isfinite(losses)
    if not bool(finite.all()):
        batch = int((~finite).nonzero()[0])
        return f"the loss became {float(losses[batch])} in epoch {epoch}, batch {batch + 1} of {len(losses)}"
    names = list(non_finite_weights())
    return f"the weights '{names[0]}' stopped being finite in epoch {epoch}" if names else ""
