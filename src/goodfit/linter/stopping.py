"""Rules about when training stops."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names, number
from goodfit.stages import OnEpoch

COARSE = 500
"""Rows of the stop part below which one row more or less right decides."""


def rules(view: View) -> list[OnEpoch]:
    """The rules that stop training where it no longer gains; one that only stops what diverges is none."""
    return [t for t in view.techniques if isinstance(t, OnEpoch) and t.name() != "divergence_stop"]


def watching_training(view: View, context: Context) -> Iterator[LintMessage]:
    """A stopping rule that watches the training rows never sees overfitting."""
    for technique in rules(view):
        monitor = technique.watch().monitor
        if not monitor.startswith("stop_"):
            yield LintMessage(
                "warning",
                names([technique]),
                (),
                f"{monitor} is measured on what is trained on, and goes on falling while the network overfits",
                sources.PRECHELT,
                "watch stop_loss",
            )


def coarse_accuracy(view: View, context: Context) -> Iterator[LintMessage]:
    """Accuracy on few rows moves in steps, and best epochs are luck."""
    for technique in rules(view):
        monitor = technique.watch().monitor
        if "accuracy" in monitor and context.stop_rows is not None and context.stop_rows < COARSE:
            yield LintMessage(
                "note",
                names([technique]),
                (),
                f"on {context.stop_rows} rows {monitor} moves in steps of {1 / context.stop_rows:.2g}, so that the "
                "best epoch is partly luck",
                "",
                "watch stop_loss, or raise the patience",
            )


def never_stops(view: View, context: Context) -> Iterator[LintMessage]:
    """A patience that training cannot exceed."""
    for technique in view.named("early_stopping"):
        needed = number(technique, "patience") + number(technique, "start_from_epoch")
        if context.epochs is not None and needed >= context.epochs:
            yield LintMessage(
                "note",
                names([technique]),
                (),
                f"with a patience of {needed:g} epochs (and those let pass) it never stops within {context.epochs}",
                "",
                "lower the patience, or know that it only keeps the best weights",
            )


def keeps_the_last(view: View, context: Context) -> Iterator[LintMessage]:
    """A stopping rule that keeps the weights from after the best epoch."""
    found = rules(view)
    if found and not any(technique.watch().restore for technique in found):
        yield LintMessage(
            "note",
            names(found),
            (),
            "it keeps the last weights, from when the score had not improved for a while",
            sources.PRECHELT,
            "set restore_best_weights=true",
        )


def never_late(view: View, context: Context) -> Iterator[LintMessage]:
    """Strengths that act late in the planned epochs, and a rule that stops before."""
    late = [t for t in view.techniques if getattr(t, "schedule", "") == "late"]
    if late and rules(view):
        yield LintMessage(
            "warning",
            names([*late, *rules(view)]),
            (),
            "what acts in the second half of the planned epochs may never act where training stops early",
            sources.LIU,
            "leave the stopping rule out, or let it begin at half (start_from_epoch)",
        )


RULES = (watching_training, coarse_accuracy, never_stops, keeps_the_last, never_late)
