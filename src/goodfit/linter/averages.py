"""Rules about averaged weights."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.stopping import stopping_rules
from goodfit.linter.view import View, names, number
from goodfit.stages import OnEval

MAX_INITIAL_SHARE = 0.125
"""Largest acceptable share of the initial weights in an average: three half-lives."""


def several_averages(view: View, context: Context) -> Iterator[LintMessage]:
    """More than one technique chooses the weights to evaluate."""
    averaging = [t for t in view.techniques if isinstance(t, OnEval)]
    if len(averaging) > 1:
        reason = "each of these techniques determines which weights are evaluated and kept, so only one can be used"
        yield LintMessage("error", names(averaging), (), reason, "", "keep one of them")


def stale_statistics(view: View, context: Context) -> Iterator[LintMessage]:
    """The batch-norm statistics do not belong to the averaged weights."""
    where = tuple(item.name for item in view.flow if item.kind == "batch_norm")
    averaging = [t for t in view.techniques if isinstance(t, OnEval)]
    if averaging and where and context.manual_loop is not False:
        yield LintMessage(
            "note" if context.manual_loop is None else "warning",
            names(averaging),
            where,
            "the running statistics of batch norms belong to the trained weights, not to the averaged weights; fit "
            "recomputes them, a training loop of your own does not",
            sources.IZMAILOV,
            "pass training batches through the network with the averaged weights before you evaluate it",
        )


def long_memory(view: View, context: Context) -> Iterator[LintMessage]:
    """At the end of training, a moving average still contains much of the initial weights."""
    if context.epochs is None:
        return
    for technique in view.named("ema"):
        share = 0.5 ** (context.epochs / number(technique, "half_life"))
        if share > MAX_INITIAL_SHARE:
            yield LintMessage(
                "warning",
                ("ema",),
                (),
                f"after {context.epochs} epochs, {share:.0%} of the average still comes from the initial weights",
                "",
                f"use a half-life of at most {context.epochs / 6:.2g} epochs",
            )


def one_epoch_averaged(view: View, context: Context) -> Iterator[LintMessage]:
    """SWA starts in the last epoch, so there is nothing to average."""
    for technique in view.named("swa"):
        start = number(technique, "swa_start")
        if context.epochs is not None and context.epochs - 1 < start * context.epochs:
            reason = f"it starts at {start:.0%} of {context.epochs} epochs and so averages only the last epoch"
            yield LintMessage("warning", ("swa",), (), reason, "", "lower swa_start, or train for more epochs")


def short_cycles(view: View, context: Context) -> Iterator[LintMessage]:
    """The cycles of a snapshot ensemble are too short to converge."""
    for technique in view.named("snapshot_ensemble"):
        cycles = int(number(technique, "cycles"))
        if context.epochs is not None and context.epochs < 3 * cycles:
            length = context.epochs / cycles
            reason = f"each of the {cycles} cycles has {length:.2g} epochs, too few for the network to converge"
            remedy = "use fewer cycles or more epochs"
            yield LintMessage("note", ("snapshot_ensemble",), (), reason, sources.HUANG, remedy)


def stopping_before_average(view: View, context: Context) -> Iterator[LintMessage]:
    """A stopping rule may end training before the planned average or cycle is complete."""
    stopping = stopping_rules(view)
    planned = {
        "swa": (
            "averaging begins late in the planned epochs, and early stopping may end training before",
            sources.IZMAILOV,
            "the averaging period",
        ),
        "snapshot_ensemble": (
            "the loss rises at each restart of the learning rate; a stopping rule may mistake this for overfitting and "
            "end training with fewer snapshots",
            sources.HUANG,
            "a cycle",
        ),
    }
    for name, (reason, source, period) in planned.items():
        if stopping and view.has(name):
            remedy = f"remove the stopping rule, or set its patience to at least the length of {period}"
            yield LintMessage("warning", (name, *names(stopping)), (), reason, source, remedy)


RULES = (several_averages, stale_statistics, long_memory, one_epoch_averaged, short_cycles, stopping_before_average)
