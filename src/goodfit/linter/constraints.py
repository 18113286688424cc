"""Rules about constraints on weights."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.penalties import normed_tensors, shrinking
from goodfit.linter.view import View, names, number
from goodfit.technique import Technique


def unit_norm_with_bounds(view: View, context: Context) -> Iterator[LintMessage]:
    """Norms of exactly 1 beside other bounds on them: these have no effect, or cannot be held."""
    for fixed in view.named("unit_norm"):
        for bound in view.named("max_norm", "min_max_norm"):
            where = view.shared(fixed, bound) if _same_axis(fixed, bound) else ()
            if where and _allows_one(bound):
                reason = f"unit_norm keeps norms at 1, which {bound.name()} allows: it has no effect"
                yield LintMessage("warning", names([fixed, bound]), where, reason, "", f"leave {bound.name()} out")
            elif where:
                reason = f"unit_norm wants norms of 1, {bound.name()} does not allow them"
                yield LintMessage("error", names([fixed, bound]), where, reason, "", "keep one of them")


def two_bounds(view: View, context: Context) -> Iterator[LintMessage]:
    """MaxNorm and MinMaxNorm on the same weights."""
    for upper in view.named("max_norm"):
        for both in view.named("min_max_norm"):
            where = view.shared(upper, both) if _same_axis(upper, both) else ()
            bound, low = number(upper, "max_value"), number(both, "min_value")
            if where and bound < low:
                reason = f"max_norm wants norms of at most {bound:g}, min_max_norm of at least {low:g}"
                yield LintMessage("error", names([upper, both]), where, reason, "", "keep one of them")
            elif where:
                reason = "both bound the same norms from above, and the lower bound wins"
                yield LintMessage("warning", names([upper, both]), where, reason, "", "keep min_max_norm")


def unit_norm_with_decay(view: View, context: Context) -> Iterator[LintMessage]:
    """Shrinking weights whose norm is put back after every step."""
    for fixed in view.named("unit_norm"):
        for technique in shrinking(view):
            where = view.shared(fixed, technique)
            if where:
                yield LintMessage(
                    "warning",
                    names([technique, fixed]),
                    where,
                    "unit_norm puts back after every step what the shrinking took off: what is left is close to a "
                    "slightly larger learning rate",
                    sources.LAARHOVEN,
                    f"leave {technique.name()} out for these weights",
                )


def bound_before_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """A bound on weights whose scale a normalisation takes away."""
    for technique in view.named("max_norm", "min_max_norm", "spectral_norm"):
        where = normed_tensors(view, technique)
        if where:
            yield LintMessage(
                "note",
                names([technique]),
                where,
                "a normalisation behind takes the scale of these weights away: the bound limits nothing that the "
                "network computes, and keeps the effective learning rate up",
                sources.LAARHOVEN,
                "choose the layers without a normalisation by on=",
            )


def _same_axis(a: Technique, b: Technique) -> bool:
    return getattr(a, "axis", -1) == getattr(b, "axis", -1)


def _allows_one(bound: Technique) -> bool:
    return getattr(bound, "min_value", 0.0) <= 1 <= number(bound, "max_value")


RULES = (unit_norm_with_bounds, two_bounds, unit_norm_with_decay, bound_before_norm)
