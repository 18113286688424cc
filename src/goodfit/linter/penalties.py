"""Rules about weight penalties and weight decay."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage, Severity
from goodfit.linter.view import View, names, number
from goodfit.stages import Scheduled
from goodfit.technique import Technique

FALLING = ("linear", "cosine", "early")
"""Schedules that end at a strength of 0."""


def shrinking(view: View) -> list[Technique]:
    """The techniques that shrink weights in proportion to their size: L2, weight decay, the L2 part of ElasticNet."""
    return [t for t in view.named("l2", "weight_decay", "elastic_net") if number(t, "l2", 1.0) > 0]


def zeroing(view: View) -> list[Technique]:
    """The techniques that set weights to zero: L1, the L1 part of ElasticNet, GroupLasso."""
    return [t for t in view.named("l1", "elastic_net", "group_lasso") if number(t, "l1", 1.0) > 0]


def normalized_kernels(view: View, technique: Technique) -> tuple[str, ...]:
    """The kernels that a technique acts on and whose layer's output is normalized."""
    return tuple(s.name for s in view.tensors(technique) if s.kind == "kernel" and s.layer in view.normalized)


def decay_before_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """L2 or weight decay before a normalization acts only through the effective learning rate."""
    for technique in shrinking(view):
        where = normalized_kernels(view, technique)
        if where:
            yield LintMessage(
                "note",
                names([technique]),
                where,
                "the normalization after these layers removes the scale of their weights; shrinking them only raises "
                "the effective learning rate (inferred from the order of registration)",
                sources.LAARHOVEN,
                "tune it together with the learning rate, or select the other layers with on=",
            )


def zeros_before_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """A sparsity penalty before a normalization can shrink all weights without raising the loss."""
    for technique in zeroing(view):
        where = normalized_kernels(view, technique)
        if where:
            yield LintMessage(
                "warning",
                names([technique]),
                where,
                "the normalization after these layers removes the scale of their weights, so the penalty can shrink "
                "all of them without raising the loss; how many become zero depends on the learning rate",
                sources.LAARHOVEN,
                "select the layers without a normalization with on=, or penalize the scale of the normalization "
                "(on=norm)",
            )


def l2_with_weight_decay(view: View, context: Context) -> Iterator[LintMessage]:
    """L2 and decoupled weight decay act on the same weights."""
    for decay in view.named("weight_decay"):
        for penalty in (t for t in shrinking(view) if t.name() != "weight_decay"):
            where = view.shared_tensors(decay, penalty)
            if not where:
                continue
            severity: Severity = "note" if context.adaptive is False else "warning"
            if severity == "warning":
                remedy = "keep weight_decay"
                optimizer = "the optimizer" if context.adaptive else "an adaptive optimizer such as Adam"
                reason = (
                    f"both shrink the same weights, but {optimizer} rescales only the gradient of the penalty, so the "
                    "two cannot be tuned independently"
                )
            else:
                remedy = "keep one of them"
                total = number(decay, "rate") + 2 * number(penalty, "l2")
                reason = f"under SGD both have the same effect, a total of weight_decay={total:g}"
            yield LintMessage(severity, names([penalty, decay]), where, reason, sources.LOSHCHILOV, remedy)


def l2_under_adam(view: View, context: Context) -> Iterator[LintMessage]:
    """Adam rescales L2's gradient, so that weights with large gradients shrink less."""
    penalties = [t for t in shrinking(view) if t.name() != "weight_decay"]
    if penalties and context.adaptive and not view.has("weight_decay"):
        yield LintMessage(
            "note",
            names(penalties),
            (),
            f"{context.optimizer} rescales the gradient of the penalty together with that of the loss, so weights with "
            "large gradients shrink less",
            sources.LOSHCHILOV,
            "consider weight_decay, which usually works better with this optimizer",
        )


def same_penalty_twice(view: View, context: Context) -> Iterator[LintMessage]:
    """ElasticNet together with L1 or L2 on the same weights."""
    for net in view.named("elastic_net"):
        for single in view.named("l1", "l2"):
            where = view.shared_tensors(net, single)
            if where and number(net, single.name()) > 0:
                total = number(net, single.name()) + number(single, single.name())
                reason = f"both contain {single.name()}, with a total of {total:g} on the same weights"
                yield LintMessage("note", names([net, single]), where, reason, "", "use only one of them for it")


def zeros_lost_by_schedule(view: View, context: Context) -> Iterator[LintMessage]:
    """The strength of a sparsity penalty ends at 0, and gradients move the weights away from zero again."""
    scheduled = [t for t in zeroing(view) if isinstance(t, Scheduled) and t.schedule in FALLING]
    if scheduled:
        yield LintMessage(
            "warning",
            names(scheduled),
            (),
            "its schedule lowers the strength to 0, and weights that were exactly zero then change again",
            "",
            "use a constant schedule if you need zeros",
        )


def biases_and_norms(view: View, context: Context) -> Iterator[LintMessage]:
    """L2 or weight decay on biases or on the scale and shift of a normalization."""
    for technique in shrinking(view):
        where = tuple(s.name for s in view.tensors(technique) if s.kind in ("bias", "norm"))
        if where:
            yield LintMessage(
                "note",
                names([technique]),
                where,
                "it shrinks biases or the scale and shift of a normalization, which hardly overfit",
                sources.HE,
                "exclude them (on=kernel) unless this is intended",
            )


def default_decay_of_adamw(view: View, context: Context) -> Iterator[LintMessage]:
    """torch's AdamW has a weight decay of 0.01 by default; `fit` sets it to 0, a manual loop must do so, too."""
    decaying = shrinking(view)
    if decaying and (context.optimizer or "").lower() == "adamw" and context.manual_loop is not False:
        yield LintMessage(
            "note" if context.manual_loop is None else "warning",
            names(decaying),
            (),
            "in a training loop of your own, torch's AdamW by default applies a weight decay of 0.01 in addition to "
            "the recipe (fit sets it to 0)",
            sources.LOSHCHILOV,
            "create the optimizer with weight_decay=0",
        )


def too_many_vectors(view: View, context: Context) -> Iterator[LintMessage]:
    """More vectors than dimensions cannot be mutually orthogonal."""
    for technique in view.named("orthogonal"):
        units = technique.values()["over"] == "units"
        blocks = [(ref.name, block) for ref in view.tensors(technique) for block in ref.blocks()]
        where = []
        for name, block in blocks:
            vectors = len(block) if units else block.shape[1]
            if vectors > block.numel() // vectors:
                where.append(name)
        if where:
            yield LintMessage(
                "note",
                names([technique]),
                tuple(dict.fromkeys(where)),
                "there are more vectors than dimensions, so they cannot all be orthogonal",
                "",
                f"set over={'inputs' if units else 'units'}, or exclude these layers with on=",
            )


RULES = (
    decay_before_norm,
    zeros_before_norm,
    l2_with_weight_decay,
    l2_under_adam,
    same_penalty_twice,
    zeros_lost_by_schedule,
    biases_and_norms,
    default_decay_of_adamw,
    too_many_vectors,
)
