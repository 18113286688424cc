"""Rules about unbalanced classes."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.labels import metric_input
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.penalties import shrinking
from goodfit.linter.stopping import stopping_rules
from goodfit.linter.view import View, names, number

BALANCING = ("class_balance", "class_weights", "smote")


def balanced_twice(view: View, context: Context) -> Iterator[LintMessage]:
    """Several techniques balance the classes, so that rare classes outweigh the common ones."""
    balancing = view.named(*BALANCING)
    total = sum(number(t, "strength") for t in balancing)
    if len(balancing) > 1 and total > 1:
        yield LintMessage(
            "warning",
            names(balancing),
            (),
            f"several techniques balance the classes, with a total strength of {total:g}; a strength of 1 already "
            "gives all classes equal weight, so rare classes now outweigh common ones",
            "",
            "keep one of them, or lower their strengths to a total of at most 1",
        )


def weights_with_soft_labels(view: View, context: Context) -> Iterator[LintMessage]:
    """With soft labels, the weight of a row is the mean of the weights of its classes."""
    soft = view.named("label_smoothing", "mixup", "cutmix", "manifold_mixup")
    if soft and view.has("class_weights"):
        yield LintMessage(
            "note",
            ("class_weights", *names(soft)),
            (),
            "a soft label gets the mean weight of its classes, which makes the weights of rows more alike (torch's "
            "CrossEntropyLoss changes the smoothing instead)",
            sources.PYTORCH,
            "tune both together, or use class_balance",
        )


def balance_against_metric(view: View, context: Context) -> Iterator[LintMessage]:
    """Balancing the classes harms metrics of probabilities and does not help ranking metrics."""
    kind, balancing = metric_input(context.metric), view.named(*BALANCING)
    if balancing and kind:
        effects = {
            "probabilities": f"makes predicted probabilities of rare classes too high, which worsens {context.metric}",
            "ranking": f"shifts all probabilities alike, which hardly changes {context.metric}",
        }
        yield LintMessage(
            "warning" if kind == "probabilities" else "note",
            names(balancing),
            (),
            f"balancing the classes {effects[kind]}",
            sources.GOORBERGH,
            "remove it, and adjust the decision threshold instead",
        )


def weights_fade(view: View, context: Context) -> Iterator[LintMessage]:
    """Class weights lose their effect once the network fits all rows, unless it is regularized."""
    regularized = shrinking(view) or any(item.kind == "batch_norm" for item in view.flow)
    if view.has("class_weights") and not regularized and not stopping_rules(view):
        yield LintMessage(
            "note",
            ("class_weights",),
            (),
            "the effect of class weights fades over the epochs if the network can fit every row",
            sources.BYRD,
            "add l2, weight_decay, batch_norm or early_stopping, or use class_balance",
        )


def too_few_to_synthesize(view: View, context: Context) -> Iterator[LintMessage]:
    """SMOTE interpolates between neighbours, and the rarest class has too few rows for it."""
    smote, rows = view.get("smote"), context.smallest_class
    if smote is None or rows is None or rows > number(smote, "k"):
        return
    single = "1 row, which is only repeated because there is no second row to interpolate with"
    yield LintMessage(
        "warning" if rows == 1 else "note",
        ("smote",),
        (),
        f"the rarest class has {single if rows == 1 else f'only {rows} rows to interpolate between'}",
        "",
        "use class_balance" if rows == 1 else f"set k below {rows}, or use class_balance",
    )


RULES = (balanced_twice, weights_with_soft_labels, balance_against_metric, weights_fade, too_few_to_synthesize)
