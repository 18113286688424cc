"""Rules about averaged weights."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.stopping import rules
from goodfit.linter.view import View, names, number
from goodfit.stages import OnEval

REMEMBERED = 0.125
"""Share of the initial weights left in an average, from which on it lags: three half-lives."""


def several(view: View, context: Context) -> Iterator[LintMessage]:
    """More than one technique that says which weights are evaluated."""
    found = [t for t in view.techniques if isinstance(t, OnEval)]
    if len(found) > 1:
        reason = "each of them says which weights are evaluated and kept, and there can be one answer only"
        yield LintMessage("error", names(found), (), reason, "", "keep one of them")


def stale_statistics(view: View, context: Context) -> Iterator[LintMessage]:
    """Averaged weights need batch-norm statistics of their own."""
    where = tuple(place.name for place in view.flow if place.kind == "batch_norm")
    found = [t for t in view.techniques if isinstance(t, OnEval)]
    if found and where and context.own_loop is not False:
        yield LintMessage(
            "note" if context.own_loop is None else "warning",
            names(found),
            where,
            "running statistics of batch norms belong to the weights being trained, not to the averaged ones; fit "
            "recomputes them, a loop of your own must ask for it",
            sources.IZMAILOV,
            "pass training batches through the network with the averaged weights before evaluating it",
        )


def long_memory(view: View, context: Context) -> Iterator[LintMessage]:
    """A moving average that still holds much of the initial weights when training ends."""
    if context.epochs is None:
        return
    for technique in view.named("ema"):
        left = 0.5 ** (context.epochs / number(technique, "half_life"))
        if left > REMEMBERED:
            yield LintMessage(
                "warning",
                ("ema",),
                (),
                f"after {context.epochs} epochs {left:.0%} of the average is still the initial weights",
                "",
                f"take a half-life of at most {context.epochs / 6:.2g} epochs",
            )


def few_averaged(view: View, context: Context) -> Iterator[LintMessage]:
    """SWA over the last epoch alone averages nothing."""
    for technique in view.named("swa"):
        start = number(technique, "swa_start")
        if context.epochs is not None and context.epochs - 1 < start * context.epochs:
            reason = f"from {start:.0%} of {context.epochs} epochs on there is only the last one to average"
            yield LintMessage("warning", ("swa",), (), reason, "", "lower swa_start, or train longer")


def short_cycles(view: View, context: Context) -> Iterator[LintMessage]:
    """Snapshots after one or two epochs each have not converged."""
    for technique in view.named("snapshot_ensemble"):
        cycles = int(number(technique, "cycles"))
        if context.epochs is not None and context.epochs < 3 * cycles:
            reason = f"each of {cycles} cycles has {context.epochs / cycles:.2g} epochs, in which it hardly converges"
            yield LintMessage(
                "note", ("snapshot_ensemble",), (), reason, sources.HUANG, "take fewer cycles or more epochs"
            )


def stopped_before(view: View, context: Context) -> Iterator[LintMessage]:
    """A stopping rule that ends training before the planned average or cycle does."""
    stopping = rules(view)
    planned = {
        "swa": "the average begins late in the planned epochs, and stopping early may come before it",
        "snapshot_ensemble": "the loss rises at each restart of the learning rate, which a stopping rule takes for the "
        "end, and then there are fewer snapshots",
    }
    for name, reason in planned.items():
        if stopping and view.has(name):
            source = sources.IZMAILOV if name == "swa" else sources.HUANG
            remedy = "leave the stopping rule out, or take a patience as long as " + (
                "the part that is averaged" if name == "swa" else "a cycle"
            )
            yield LintMessage("warning", (name, *names(stopping)), (), reason, source, remedy)


RULES = (several, stale_statistics, long_memory, few_averaged, short_cycles, stopped_before)
