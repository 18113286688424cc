"""Rules about normalisation layers, the recipe's and the network's own."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.flow import Place
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names, number
from goodfit.stages import Normalisation

TINY = 16
"""Rows below which a batch's statistics are too noisy (Wu & He 2018, figure 1)."""


def tiny_batches(view: View, context: Context) -> Iterator[LintMessage]:
    """Batch norm on few rows at a time."""
    found = [place for place in view.flow if place.kind == "batch_norm"]
    if found and context.part is not None and context.part < TINY:
        yield LintMessage(
            "warning",
            names([p.technique for p in found if p.technique]),
            tuple(p.name for p in found),
            f"a batch norm sees {context.part} rows at a time, whose mean and variance are noisy (below about {TINY})",
            sources.WU,
            "take larger batches, accumulate fewer parts, or layer_norm",
        )


def accumulated(view: View, context: Context) -> Iterator[LintMessage]:
    """Batch norm under gradient accumulation normalises each part by itself."""
    found = [place for place in view.flow if place.kind == "batch_norm"]
    if found and context.accumulate > 1 and context.batch_size:
        yield LintMessage(
            "note",
            names([p.technique for p in found if p.technique]),
            tuple(p.name for p in found),
            f"each of the {context.accumulate} parts of a batch is normalised by its own statistics, so that the "
            f"result is not that of one batch of {context.batch_size}",
            sources.HOFFER,
            "know that it acts as with smaller batches, or take layer_norm",
        )


def ghost_size(view: View, context: Context) -> Iterator[LintMessage]:
    """Ghost batches as large as the batch are plain batch norm; small ones are noisy."""
    for technique in view.named("ghost_batch_norm"):
        size = int(number(technique, "size"))
        if context.part is not None and size >= context.part:
            reason = f"its ghost batches of {size} rows are not smaller than the {context.part} rows of a batch"
            yield LintMessage(
                "note", names([technique]), (), reason, sources.HOFFER, "lower its size, or take batch_norm"
            )
        elif size < TINY:
            reason = f"its ghost batches of {size} rows have noisy statistics (below about {TINY})"
            yield LintMessage("warning", names([technique]), (), reason, sources.WU, "raise its size")


def twice(view: View, context: Context) -> Iterator[LintMessage]:
    """Two normalisations in a row: the second undoes what the first has learned, but for its features' proportions."""
    last: Place | None = None
    where: list[str] = []
    for place in view.flow:
        if place.kind not in ("batch_norm", "norm"):
            last = last if place.kind == "dropout" else None
            continue
        known = place.technique is not None or place.in_line
        if last is not None and known and (place.technique or last.technique):
            where += [last.name, place.name]
        last = place
    if where:
        yield LintMessage(
            "warning",
            names([t for t in view.techniques if isinstance(t, Normalisation)]),
            tuple(dict.fromkeys(where)),
            "two normalisations follow each other, and the second takes the scale of the first away",
            "",
            "keep one of them, or leave those layers out by on=",
        )


RULES = (tiny_batches, accumulated, ghost_size, twice)
