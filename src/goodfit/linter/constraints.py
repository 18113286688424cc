"""Rules about constraints on weights."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.penalties import normalized_kernels, shrinking
from goodfit.linter.view import View, names, number
from goodfit.technique import Technique


def unit_norm_with_bounds(view: View, context: Context) -> Iterator[LintMessage]:
    """UnitNorm sets norms to 1; other bounds on the same norms have no effect or contradict it."""
    for unit_norm in view.named("unit_norm"):
        for bound in view.named("max_norm", "min_max_norm"):
            where = view.shared_tensors(unit_norm, bound) if _same_axis(unit_norm, bound) else ()
            if where and _allows_one(bound):
                reason = (
                    f"unit_norm sets these norms to 1, which {bound.name()} allows, so {bound.name()} has no effect"
                )
                yield LintMessage("warning", names([unit_norm, bound]), where, reason, "", f"remove {bound.name()}")
            elif where:
                reason = f"unit_norm sets these norms to 1, which {bound.name()} does not allow"
                yield LintMessage("error", names([unit_norm, bound]), where, reason, "", "keep one of them")


def two_bounds(view: View, context: Context) -> Iterator[LintMessage]:
    """MaxNorm and MinMaxNorm bound the same norms."""
    for upper in view.named("max_norm"):
        for both in view.named("min_max_norm"):
            where = view.shared_tensors(upper, both) if _same_axis(upper, both) else ()
            bound, low = number(upper, "max_value"), number(both, "min_value")
            if where and bound < low:
                reason = (
                    f"max_norm requires norms of at most {bound:g}, min_max_norm requires norms of at least {low:g}"
                )
                yield LintMessage("error", names([upper, both]), where, reason, "", "keep one of them")
            elif where:
                reason = "both set an upper bound on the same norms, and only the smaller one has an effect"
                yield LintMessage("warning", names([upper, both]), where, reason, "", "keep min_max_norm")


def unit_norm_with_decay(view: View, context: Context) -> Iterator[LintMessage]:
    """UnitNorm restores the norms that L2 or weight decay shrinks."""
    for unit_norm in view.named("unit_norm"):
        for technique in shrinking(view):
            where = view.shared_tensors(unit_norm, technique)
            if where:
                yield LintMessage(
                    "warning",
                    names([technique, unit_norm]),
                    where,
                    f"after every step, unit_norm restores the norms that {technique.name()} shrinks; all that remains "
                    "is nearly a slightly larger learning rate",
                    sources.LAARHOVEN,
                    f"exclude these weights from {technique.name()}",
                )


def bound_before_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """A bound on weights whose scale a normalization removes."""
    for technique in view.named("max_norm", "min_max_norm", "spectral_norm"):
        where = normalized_kernels(view, technique)
        if where:
            yield LintMessage(
                "note",
                names([technique]),
                where,
                "the normalization after these layers removes the scale of their weights; the bound does not limit the "
                "network's function and keeps the effective learning rate high",
                sources.LAARHOVEN,
                "select the layers without a normalization with on=",
            )


def _same_axis(a: Technique, b: Technique) -> bool:
    return bool(a.values()["axis"] == b.values()["axis"])


def _allows_one(bound: Technique) -> bool:
    return number(bound, "min_value", 0.0) <= 1 <= number(bound, "max_value")


RULES = (unit_norm_with_bounds, two_bounds, unit_norm_with_decay, bound_before_norm)
