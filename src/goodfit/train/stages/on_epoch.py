"""The course of a run: its History, its best epoch, and whether it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from goodfit.errors import InputError, TrainingError
from goodfit.history import History
from goodfit.recipe import Recipe
from goodfit.stages import MonitorSpec, OnEpoch

ADVICE = (
    "try a lower learning_rate, clip_grad_norm=1 in the recipe, or look for extreme values in the features and targets"
)


@dataclass
class RunTracker:
    """What is known of a run at the end of an epoch, and what its OnEpoch techniques make of it."""

    techniques: list[OnEpoch]
    metric: str
    history: History = field(default_factory=History)
    best_value: float | None = None
    best_epoch: int = 0
    stopped: str = ""
    astray: bool = False

    @classmethod
    def of(cls, recipe: Recipe, metric: str) -> RunTracker:
        """A course that has not begun.

        Raises:
            InputError: a technique monitors a column that there will not be.
        """
        course = cls(recipe.at(OnEpoch), metric)
        columns = ["train_loss", "stop_loss", f"train_{metric}", f"stop_{metric}", "batch_loss"]
        for technique in course.techniques:
            monitor = technique.monitor_spec().monitor
            if monitor not in columns:
                raise InputError(
                    f"{type(technique).__name__}: monitor must be one of {', '.join(columns)}, got monitor={monitor!r}."
                )
        return course

    def __post_init__(self) -> None:
        self.watch = self.techniques[0].monitor_spec() if self.techniques else MonitorSpec()
        self.states = [technique.start() for technique in self.techniques]

    def tell(self, row: dict[str, float]) -> bool:
        """Take in an epoch's row of the History; whether the epoch is the best so far."""
        self.history.append(row)
        epoch, value = int(row["epoch"]), row[self.watch.monitor]
        improved = epoch > self.watch.start_from_epoch and self.watch.is_better(value, self.best_value)
        if improved:
            self.best_value, self.best_epoch = value, epoch
        for i, technique in enumerate(self.techniques):
            self.states[i], decision = technique.observe(self.states[i], epoch, row)
            self.stopped = self.stopped or decision.reason if decision.stop else self.stopped
        return improved

    def break_off(self, where: str) -> None:
        """End a run whose numbers are no longer finite.

        Raises:
            TrainingError: there is no epoch to keep.
        """
        self.stopped, self.astray = f"{where}; {ADVICE}", True
        if not self.best_epoch:
            raise TrainingError(f"training: {self.stopped}.")

    def keeps_best(self, interrupted: bool) -> bool:
        """Whether the weights of the best epoch are kept, not the last ones."""
        return self.best_epoch > 0 and (self.watch.restore or interrupted or self.astray)

    def facts(self) -> dict[str, Any]:
        """Plain data from which it goes on."""
        return {"history": self.history.to_dict(), "states": self.states, "best_value": self.best_value,
                "best_epoch": self.best_epoch, "stopped": self.stopped, "astray": self.astray}  # fmt: skip

    def restore(self, facts: dict[str, Any]) -> None:
        """The inverse of `facts`."""
        self.history = History.from_dict(facts["history"])
        self.states, self.stopped, self.best_epoch = facts["states"], facts["stopped"], facts["best_epoch"]
        self.best_value = None if facts["best_value"] is None else float(facts["best_value"])
        self.astray = facts["astray"]


def lost(loss: float, epoch: int, batch: int, batches: int) -> str:
    """Where a loss stopped being finite.

    >>> lost(float("nan"), 2, 1, 10)
    'the loss became nan in epoch 2, batch 1 of 10'
    """
    return f"the loss became {loss} in epoch {epoch}, batch {batch} of {batches}"


def broken(name: str, epoch: int) -> str:
    """Where a tensor of weights stopped being finite.

    >>> broken("0.weight", 3)
    "the weights '0.weight' stopped being finite in epoch 3"
    """
    return f"the weights '{name}' stopped being finite in epoch {epoch}"
