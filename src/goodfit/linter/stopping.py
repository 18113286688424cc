"""Rules about early stopping."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names, number
from goodfit.stages import OnEpoch, Scheduled

COARSE = 500
"""With fewer rows in the stop part, a single row changes the accuracy noticeably."""


def stopping_rules(view: View) -> list[OnEpoch]:
    """The techniques that stop training when it no longer improves."""
    return [t for t in view.techniques if isinstance(t, OnEpoch) and t.watches_progress]


def monitors_training_data(view: View, context: Context) -> Iterator[LintMessage]:
    """A stopping rule that monitors the training rows cannot detect overfitting."""
    for technique in stopping_rules(view):
        monitor = technique.monitor_spec().monitor
        if not monitor.startswith("stop_"):
            yield LintMessage(
                "warning",
                names([technique]),
                (),
                f"{monitor} is measured on training rows and keeps improving while the network overfits",
                sources.PRECHELT,
                "monitor stop_loss",
            )


def coarse_accuracy(view: View, context: Context) -> Iterator[LintMessage]:
    """On few rows, accuracy changes in coarse steps, and the best epoch depends on chance."""
    for technique in stopping_rules(view):
        monitor = technique.monitor_spec().monitor
        if "accuracy" in monitor and context.stop_rows is not None and 0 < context.stop_rows < COARSE:
            yield LintMessage(
                "note",
                names([technique]),
                (),
                f"on {context.stop_rows} rows, {monitor} changes in steps of {1 / context.stop_rows:.2g}, so the best "
                "epoch depends partly on chance",
                "",
                "monitor stop_loss, or raise the patience",
            )


def never_stops(view: View, context: Context) -> Iterator[LintMessage]:
    """The patience is not shorter than the training."""
    for technique in view.named("early_stopping"):
        patience, start = number(technique, "patience"), number(technique, "start_from_epoch")
        if context.epochs is not None and patience + start >= context.epochs:
            reason = f"a patience of {patience:g} epochs" + (f" after the first {start:g}" if start else "")
            yield LintMessage(
                "note",
                names([technique]),
                (),
                f"with {reason}, it never stops within {context.epochs} epochs",
                "",
                "lower the patience, unless it is only meant to restore the best weights",
            )


def keeps_last_weights(view: View, context: Context) -> Iterator[LintMessage]:
    """A stopping rule keeps the last weights rather than those of the best epoch."""
    rules = stopping_rules(view)
    if rules and not any(technique.monitor_spec().restore for technique in rules):
        yield LintMessage(
            "note",
            names(rules),
            (),
            "it keeps the last weights, which are several epochs past the best score",
            sources.PRECHELT,
            "set restore_best_weights=true",
        )


def late_schedule_with_stopping(view: View, context: Context) -> Iterator[LintMessage]:
    """A strength scheduled for the second half of training, with a rule that may stop before."""
    late = [t for t in view.techniques if isinstance(t, Scheduled) and t.schedule == "late"]
    if late and stopping_rules(view):
        yield LintMessage(
            "warning",
            names([*late, *stopping_rules(view)]),
            (),
            "schedule=late acts in the second half of the planned epochs, and training may stop before",
            sources.LIU,
            "remove the stopping rule, or set start_from_epoch to half of the epochs",
        )


RULES = (monitors_training_data, coarse_accuracy, never_stops, keeps_last_weights, late_schedule_with_stopping)
