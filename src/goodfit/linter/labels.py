"""Rules about what becomes of the labels, and about the scores they are to serve."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names
from goodfit.stages import OnSample

MIXING = ("mixup", "cutmix", "manifold_mixup")
PROBABILITIES = ("log_loss", "logloss", "nll", "cross_entropy", "brier", "ece")
RANKINGS = ("auc", "average_precision", "ndcg", "gini")


def measures(metric: str) -> str:
    """What a metric looks at, by its name: `probabilities`, a `ranking`, or nothing special.

    >>> measures("log_loss"), measures("roc_auc"), measures("accuracy")
    ('probabilities', 'ranking', '')
    """
    plain = metric.lower()
    if any(word in plain for word in PROBABILITIES):
        return "probabilities"
    return "ranking" if any(word in plain for word in RANKINGS) else ""


def smoothing_with_mixing(view: View, context: Context) -> Iterator[LintMessage]:
    """Label smoothing beside mixed samples, which smooth the labels too."""
    mixing = view.named(*MIXING)
    if mixing and view.has("label_smoothing"):
        yield LintMessage(
            "note",
            ("label_smoothing", *names(mixing)),
            (),
            "mixing samples smooths their labels already; together predictions may become too unsure",
            sources.CARRATINO,
            "compare with label_smoothing left out, on a log-loss too",
        )


def smoothing_with_confidence_penalty(view: View, context: Context) -> Iterator[LintMessage]:
    """Label smoothing beside the confidence penalty: two divergences from the uniform distribution."""
    if view.has("label_smoothing") and view.has("confidence_penalty"):
        yield LintMessage(
            "note",
            ("label_smoothing", "confidence_penalty"),
            (),
            "both pull predictions towards the uniform distribution, by the one direction of the KL divergence and by "
            "the other",
            sources.PEREYRA,
            "keep one of them",
        )


def smoothing_with_wrong_labels(view: View, context: Context) -> Iterator[LintMessage]:
    """Label smoothing beside DisturbLabel, whose expectation it is."""
    if view.has("label_smoothing") and view.has("disturb_label"):
        yield LintMessage(
            "note",
            ("label_smoothing", "disturb_label"),
            (),
            "replacing labels at random smooths them on average, by the same formula",
            sources.XIE_2016,
            "keep one of them",
        )


def smoothing_against_metric(view: View, context: Context) -> Iterator[LintMessage]:
    """Softened labels where the metric reads probabilities or their order."""
    softening = view.named("label_smoothing", "disturb_label")
    kind, metric = measures(context.metric), context.metric
    reasons = {
        "probabilities": (f"it pulls predictions away from the probabilities that {metric} asks for", sources.SZEGEDY),
        "ranking": (f"it may disturb the order of how sure predictions are, which {metric} judges", sources.XIA),
    }
    if softening and kind:
        reason, source = reasons[kind]
        remedy = "leave it out, or judge by a metric of labels such as accuracy"
        yield LintMessage("warning", names(softening), (), reason, source, remedy)


def mixing_twice(view: View, context: Context) -> Iterator[LintMessage]:
    """Several ways of mixing samples on the same batch."""
    mixing = view.named(*MIXING)
    if len(mixing) > 1:
        yield LintMessage(
            "note",
            names(mixing),
            (),
            "they act on the same batch one after the other, so that samples are blends of three or more (timm takes "
            "one of them per batch)",
            "",
            "keep one of them, or lower both",
        )


def mixing_numbers(view: View, context: Context) -> Iterator[LintMessage]:
    """Mixed samples of a regression: the number between two targets may belong to no input between them."""
    mixing = view.named(*MIXING)
    if mixing and context.task == "regression":
        yield LintMessage(
            "note",
            names(mixing),
            (),
            "the number between two far targets need not be that of the input between them",
            sources.YAO,
            "use a small alpha, and compare with leaving it out",
        )


def wrong_targets(view: View, context: Context) -> Iterator[LintMessage]:
    """Techniques for classes in a regression, and the other way round."""
    wanted = {"labels": ("classification", "segmentation"), "numbers": ("regression",)}
    for technique in view.techniques:
        needs = "labels" if technique.name() == "class_balance" else getattr(technique, "needs", "any")
        by_row = isinstance(technique, OnSample) and needs == "labels" and context.task == "segmentation"
        if by_row or context.task not in wanted.get(needs, (context.task,)):
            reason = f"it is for targets that are {needs}, and the task is {context.task}"
            yield LintMessage("error", names([technique]), (), reason, "", "leave it out")


RULES = (
    smoothing_with_mixing,
    smoothing_with_confidence_penalty,
    smoothing_with_wrong_labels,
    smoothing_against_metric,
    mixing_twice,
    mixing_numbers,
    wrong_targets,
)
