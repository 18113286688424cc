"""Rules about what becomes of the gradient."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names, number

LITTLE = 0.1
"""A bound on the gradient's norm that nearly every gradient exceeds."""


def sam_with_batch_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """SAM's second pass must not touch running statistics, and acts mostly through the norm's scale and shift."""
    where = tuple(place.name for place in view.flow if place.kind == "batch_norm")
    if view.has("sam") and where:
        yield LintMessage(
            "note",
            ("sam",),
            where,
            "its second pass would move the running statistics by moved weights (fit keeps it from that), and its gain "
            "comes mostly from the scale and shift of such norms",
            sources.MUELLER,
            "in a loop of your own, freeze the statistics in the second pass",
        )


def sam_with_accumulation(view: View, context: Context) -> Iterator[LintMessage]:
    """SAM over an accumulated batch looks for flatness over all of it, where less rows per move do better."""
    if view.has("sam") and context.accumulate > 1:
        yield LintMessage(
            "note",
            ("sam",),
            (),
            f"with a batch in {context.accumulate} parts the weights are moved once, by the gradient of them all; "
            "moving them for each part by itself (a smaller m) generalises better in print",
            sources.ANDRIUSHCHENKO,
            "expect less of it than with batches of a part's size, or compare with that",
        )


def little_bound_under_adam(view: View, context: Context) -> Iterator[LintMessage]:
    """A bound that always binds: Adam divides by the size of the gradient anyway."""
    for technique in view.named("clip_grad_norm"):
        bound = number(technique, "max_norm")
        if bound < LITTLE and context.adaptive:
            yield LintMessage(
                "note",
                ("clip_grad_norm",),
                (),
                f"a bound of {bound:g} binds at nearly every step, and {context.optimizer} does not depend on the size "
                "of gradients: what is left is that batches with large gradients count no more than others",
                sources.KINGMA,
                "raise it to what the norm rarely exceeds (about 1)",
            )


def bounded_twice(view: View, context: Context) -> Iterator[LintMessage]:
    """Clipping beside a loss whose gradient is bounded per row."""
    clipping = view.named("clip_grad_norm", "clip_grad_value")
    if clipping and context.loss in ("huber", "mae", "l1", "smooth_l1"):
        reason = f"the {context.loss} loss bounds the gradient of each row already"
        yield LintMessage(
            "note", names(clipping), (), reason, "", "leave it out unless the network itself magnifies gradients"
        )


RULES = (sam_with_batch_norm, sam_with_accumulation, little_bound_under_adam, bounded_twice)
