"""Rules about unbalanced classes."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.labels import measures
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.penalties import shrinking
from goodfit.linter.stopping import rules
from goodfit.linter.view import View, names, number

BALANCING = ("class_balance", "class_weights", "smote")


def corrected_twice(view: View, context: Context) -> Iterator[LintMessage]:
    """Rare classes drawn more often and weighted more: together beyond balance."""
    both = view.named(*BALANCING)
    total = sum(number(t, "strength") for t in both)
    if len(both) > 1 and total > 1:
        yield LintMessage(
            "warning",
            names(both),
            (),
            f"rare classes are drawn more often or count more in the loss: strengths of {total:g} in all, where 1 "
            "makes all classes alike, so that rare ones outweigh the others",
            "",
            "keep one of them, or let their strengths add up to at most 1",
        )


def weights_with_soft_labels(view: View, context: Context) -> Iterator[LintMessage]:
    """Class weights beside softened labels: each row's weight is a mean over the classes its target names."""
    soft = view.named("label_smoothing", "mixup", "cutmix", "manifold_mixup")
    if soft and view.has("class_weights"):
        yield LintMessage(
            "note",
            ("class_weights", *names(soft)),
            (),
            "a softened target takes the mean weight of its classes, so that weights come closer to each other "
            "(torch's CrossEntropyLoss changes the smoothing instead)",
            sources.PYTORCH,
            "tune the two together, or take class_balance",
        )


def balance_against_metric(view: View, context: Context) -> Iterator[LintMessage]:
    """Balanced classes where the metric reads probabilities or a ranking."""
    kind, used = measures(context.metric), view.named(*BALANCING)
    if used and kind:
        what = "the probability of rare classes comes out too high" if kind == "probabilities" else "it does not gain"
        yield LintMessage(
            "warning" if kind == "probabilities" else "note",
            names(used),
            (),
            f"balancing classes shifts all probabilities, and where {context.metric} judges {what}",
            sources.GOORBERGH,
            "leave it out, and move the threshold of the decision instead",
        )


def weights_fade(view: View, context: Context) -> Iterator[LintMessage]:
    """Weighted rows lose their effect once a network fits all of them, unless something keeps it from that."""
    held = shrinking(view) or any(place.kind == "batch_norm" for place in view.flow)
    if view.has("class_weights") and not held and not rules(view):
        yield LintMessage(
            "note",
            ("class_weights",),
            (),
            "the effect of weights fades over epochs where a network can fit every row",
            sources.BYRD,
            "add l2, weight_decay, batch_norm or early_stopping, or take class_balance",
        )


def too_few_to_synthesise(view: View, context: Context) -> Iterator[LintMessage]:
    """Rows made between neighbours, where the rarest class hardly has any."""
    found, rows = view.get("smote"), context.smallest_class
    if found is None or rows is None or rows > number(found, "k"):
        return
    few = "row, which is repeated: there is no other to make rows with" if rows == 1 else "rows to make rows between"
    yield LintMessage(
        "warning" if rows == 1 else "note",
        ("smote",),
        (),
        f"the rarest class has {rows} {few}",
        "",
        "take class_balance" if rows == 1 else f"set k below {rows}, or take class_balance",
    )


RULES = (corrected_twice, weights_with_soft_labels, balance_against_metric, weights_fade, too_few_to_synthesise)
