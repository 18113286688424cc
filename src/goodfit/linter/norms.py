"""Rules about normalization layers, of the recipe and of the network."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.flow import FlowItem
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names, number
from goodfit.stages import Normalization

SMALL = 16
"""With fewer rows, the statistics of a batch are too noisy (Wu & He 2018, figure 1)."""


def small_batches(view: View, context: Context) -> Iterator[LintMessage]:
    """Batch norm sees few rows at a time."""
    norms = [item for item in view.flow if item.kind == "batch_norm"]
    rows = context.micro_batch_size
    if norms and rows is not None and rows < SMALL:
        yield LintMessage(
            "warning",
            names([item.technique for item in norms if item.technique]),
            tuple(item.name for item in norms),
            f"batch norm sees {rows} rows at a time; below about {SMALL} rows, its mean and variance are noisy",
            sources.WU,
            "use larger batches, fewer accumulated parts, or layer_norm",
        )


def batch_norm_with_accumulation(view: View, context: Context) -> Iterator[LintMessage]:
    """With gradient accumulation, batch norm normalizes each part of a batch separately."""
    norms = [item for item in view.flow if item.kind == "batch_norm"]
    if norms and context.accumulate > 1 and context.batch_size:
        yield LintMessage(
            "note",
            names([item.technique for item in norms if item.technique]),
            tuple(item.name for item in norms),
            f"each of the {context.accumulate} parts of a batch is normalized by its own statistics, so the result "
            f"differs from that of one batch of {context.batch_size}",
            sources.HOFFER,
            "expect the effect of smaller batches, or use layer_norm",
        )


def ghost_batch_size(view: View, context: Context) -> Iterator[LintMessage]:
    """Ghost batches as large as the batch equal plain batch norm; small ones have noisy statistics."""
    for technique in view.named("ghost_batch_norm"):
        size, rows = int(number(technique, "size")), context.micro_batch_size
        if rows is not None and size >= rows:
            reason = f"its ghost batches of {size} rows are not smaller than a batch of {rows} rows"
            remedy = "lower its size, or use batch_norm"
            yield LintMessage("note", names([technique]), (), reason, sources.HOFFER, remedy)
        elif size < SMALL:
            reason = f"its ghost batches of {size} rows have noisy statistics (below about {SMALL} rows)"
            yield LintMessage("warning", names([technique]), (), reason, sources.WU, "raise its size")


def two_normalizations(view: View, context: Context) -> Iterator[LintMessage]:
    """Two normalizations follow each other; the second removes the scale that the first has learned."""
    previous: FlowItem | None = None
    where: list[str] = []
    for item in view.flow:
        if item.kind not in ("batch_norm", "norm"):
            previous = previous if item.kind == "dropout" else None
            continue
        certain = item.technique is not None or item.in_sequential
        if previous is not None and certain and (item.technique or previous.technique):
            where += [previous.name, item.name]
        previous = item
    if where:
        yield LintMessage(
            "warning",
            names([t for t in view.techniques if isinstance(t, Normalization)]),
            tuple(dict.fromkeys(where)),
            "two normalizations follow each other, and the second removes the scale of the first",
            "",
            "keep one of them, or exclude these layers with on=",
        )


RULES = (small_batches, batch_norm_with_accumulation, ghost_batch_size, two_normalizations)
