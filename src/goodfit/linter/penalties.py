"""Rules about penalties on weights and weight decay."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names, number
from goodfit.technique import Technique

FALLING = ("linear", "cosine", "early")
"""Schedules that end at nothing."""


def shrinking(view: View) -> list[Technique]:
    """What shrinks weights in proportion to themselves: L2, weight decay, an elastic net's square part."""
    return [t for t in view.named("l2", "weight_decay", "elastic_net") if getattr(t, "l2", 1.0) > 0]


def zeroing(view: View) -> list[Technique]:
    """What sets weights to zero: L1, an elastic net's absolute part, group lasso."""
    return [t for t in view.named("l1", "elastic_net", "group_lasso") if getattr(t, "l1", 1.0) > 0]


def normed_tensors(view: View, technique: Technique) -> tuple[str, ...]:
    """The kernels a technique acts on that go into a normalisation."""
    return tuple(s.name for s in view.tensors(technique) if s.kind == "kernel" and s.layer in view.normalised)


def decay_before_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """L2 or decay on weights whose scale a normalisation takes away: it acts through the learning rate alone."""
    for technique in shrinking(view):
        where = normed_tensors(view, technique)
        if where:
            yield LintMessage(
                "note",
                names([technique]),
                where,
                "a normalisation behind takes the scale of these weights away: shrinking them raises the effective "
                "learning rate and limits nothing else (the network's own norms by order of registration)",
                sources.LAARHOVEN,
                "tune it together with the learning rate, or choose the other layers by on=",
            )


def zeros_before_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """A penalty for zeros on weights whose scale is free: all of them shrink together, at no loss."""
    for technique in zeroing(view):
        where = normed_tensors(view, technique)
        if where:
            yield LintMessage(
                "warning",
                names([technique]),
                where,
                "a normalisation behind takes the scale of these weights away, so that shrinking all of them lowers "
                "the penalty at no loss: how many become zero depends on the learning rate",
                sources.LAARHOVEN,
                "choose the layers without a normalisation by on=, or penalise the norm's own scale (on=norm)",
            )


def l2_with_weight_decay(view: View, context: Context) -> Iterator[LintMessage]:
    """L2 and decoupled decay on the same weights."""
    for decay in view.named("weight_decay"):
        for penalty in (t for t in shrinking(view) if t.name() != "weight_decay"):
            where = view.shared(decay, penalty)
            if where and context.adaptive:
                reason = (
                    "both shrink the same weights, the penalty by steps that the optimizer rescales and the decay by "
                    "steps that it does not: they cannot be tuned apart"
                )
                yield LintMessage(
                    "warning", names([penalty, decay]), where, reason, sources.LOSHCHILOV, "keep weight_decay"
                )
            elif where:
                total = number(decay, "rate") + 2 * number(penalty, "l2")
                reason = f"under SGD both do the same and add up to weight_decay={total:g}"
                yield LintMessage(
                    "note", names([penalty, decay]), where, reason, sources.LOSHCHILOV, "keep one of them"
                )


def l2_under_adam(view: View, context: Context) -> Iterator[LintMessage]:
    """Adam divides L2's gradient like any other: weights with large gradients are hardly shrunk."""
    alone = [t for t in shrinking(view) if t.name() != "weight_decay"]
    if alone and context.adaptive and not view.has("weight_decay"):
        yield LintMessage(
            "note",
            names(alone),
            (),
            f"under {context.optimizer} the penalty's gradient is divided like any other, so that weights with large "
            "gradients are shrunk less",
            sources.LOSHCHILOV,
            "consider weight_decay, which usually works better there",
        )


def same_penalty_twice(view: View, context: Context) -> Iterator[LintMessage]:
    """An elastic net beside the penalties it is made of."""
    for net in view.named("elastic_net"):
        for single in view.named("l1", "l2"):
            where = view.shared(net, single)
            if where and number(net, single.name()) > 0:
                total = number(net, single.name()) + number(single, single.name())
                reason = f"both hold {single.name()}, which adds up to {total:g} on the same weights"
                yield LintMessage("note", names([net, single]), where, reason, "", "put it into one of them")


def zeros_come_back(view: View, context: Context) -> Iterator[LintMessage]:
    """A penalty for zeros whose strength has gone at the end: gradients move the weights away from zero again."""
    found = [t for t in zeroing(view) if getattr(t, "schedule", "") in FALLING]
    if found:
        yield LintMessage(
            "warning",
            names(found),
            (),
            "its schedule takes the strength to nothing, and weights that were exactly zero then leave it again",
            "",
            "keep the schedule constant where zeros are wanted",
        )


def biases_and_norms(view: View, context: Context) -> Iterator[LintMessage]:
    """Shrinking of biases and of a normalisation's scale and shift."""
    for technique in shrinking(view):
        where = tuple(s.name for s in view.tensors(technique) if s.kind in ("bias", "norm"))
        if where:
            yield LintMessage(
                "note",
                names([technique]),
                where,
                "it shrinks biases or a normalisation's scale and shift, which hardly overfit",
                sources.HE,
                "leave them out (on=kernel) unless it is meant",
            )


def adamw_s_own_decay(view: View, context: Context) -> Iterator[LintMessage]:
    """torch's AdamW decays by 0.01 unless told otherwise; `fit` tells it, an own loop must."""
    decaying = shrinking(view)
    if decaying and context.optimizer.lower() == "adamw" and context.own_loop is not False:
        yield LintMessage(
            "note" if context.own_loop is None else "warning",
            names(decaying),
            (),
            "in a loop of one's own torch's AdamW decays every weight by 0.01 beside the recipe (fit leaves that out)",
            sources.LOSHCHILOV,
            "make it with weight_decay=0",
        )


def too_many_directions(view: View, context: Context) -> Iterator[LintMessage]:
    """More vectors than dimensions cannot be orthogonal to each other."""
    for technique in view.named("orthogonal"):
        units = getattr(technique, "over", "units") == "units"
        shapes = [(s.name, block) for s in view.tensors(technique) for block in s.blocks()]
        crowded = []
        for ref, block in shapes:
            vectors = len(block) if units else block.shape[1]
            if vectors > block.numel() // vectors:
                crowded.append(ref)
        if crowded:
            yield LintMessage(
                "note",
                names([technique]),
                tuple(dict.fromkeys(crowded)),
                "there are more vectors than dimensions, so that they cannot all be orthogonal",
                "",
                f"take over={'inputs' if units else 'units'}, or leave the layer out by on=",
            )


RULES = (
    decay_before_norm,
    zeros_before_norm,
    l2_with_weight_decay,
    l2_under_adam,
    same_penalty_twice,
    zeros_come_back,
    biases_and_norms,
    adamw_s_own_decay,
    too_many_directions,
)
