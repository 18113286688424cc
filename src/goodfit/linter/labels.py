"""Rules about techniques that change labels, and about the metrics these affect."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names
from goodfit.stages import OnSample

MIXING = ("mixup", "cutmix", "manifold_mixup")
PROBABILITIES = ("log_loss", "logloss", "nll", "cross_entropy", "brier", "calibration", "ece")
RANKINGS = ("auc", "average_precision", "ndcg", "gini")


def metric_input(metric: str) -> str:
    """What a metric evaluates, inferred from its name: probabilities, a ranking, or (empty text) something else.

    >>> metric_input("log_loss"), metric_input("roc_auc"), metric_input("accuracy")
    ('probabilities', 'ranking', '')
    """
    name = metric.lower()
    if any(word in name for word in PROBABILITIES):
        return "probabilities"
    return "ranking" if any(word in name for word in RANKINGS) else ""


def smoothing_with_mixing(view: View, context: Context) -> Iterator[LintMessage]:
    """Mixing samples already smooths the labels."""
    mixing = view.named(*MIXING)
    if mixing and view.has("label_smoothing"):
        yield LintMessage(
            "note",
            ("label_smoothing", *names(mixing)),
            (),
            "mixing samples already smooths their labels; with both, predictions may become underconfident",
            sources.CARRATINO,
            "compare with a recipe without label_smoothing, also by log loss",
        )


def smoothing_with_confidence_penalty(view: View, context: Context) -> Iterator[LintMessage]:
    """Label smoothing and the confidence penalty both penalize the distance from the uniform distribution."""
    if view.has("label_smoothing") and view.has("confidence_penalty"):
        yield LintMessage(
            "note",
            ("label_smoothing", "confidence_penalty"),
            (),
            "both pull predictions towards the uniform distribution, by the two directions of the KL divergence",
            sources.PEREYRA,
            "keep one of them",
        )


def smoothing_with_disturb_label(view: View, context: Context) -> Iterator[LintMessage]:
    """Label smoothing is the expectation of DisturbLabel."""
    if view.has("label_smoothing") and view.has("disturb_label"):
        yield LintMessage(
            "note",
            ("label_smoothing", "disturb_label"),
            (),
            "replacing labels at random has the same effect on average as label smoothing",
            sources.XIE_2016,
            "keep one of them",
        )


def smoothing_against_metric(view: View, context: Context) -> Iterator[LintMessage]:
    """Smoothed labels distort the probabilities or the ranking that the metric evaluates."""
    softening = view.named("label_smoothing", "disturb_label")
    kind, metric = metric_input(context.metric), context.metric
    reasons = {
        "probabilities": (f"it biases the predicted probabilities, which {metric} evaluates", sources.SZEGEDY),
        "ranking": (f"it may change the ranking of predictions by confidence, which {metric} evaluates", sources.XIA),
    }
    if softening and kind:
        reason, source = reasons[kind]
        remedy = "remove it, or use a metric of predicted labels such as accuracy"
        yield LintMessage("warning", names(softening), (), reason, source, remedy)


def mixing_twice(view: View, context: Context) -> Iterator[LintMessage]:
    """Several techniques mix the samples of the same batch."""
    mixing = view.named(*MIXING)
    if len(mixing) > 1:
        yield LintMessage(
            "note",
            names(mixing),
            (),
            "they act on the same batch one after the other, so that a sample blends three or more (timm applies one "
            "of them per batch)",
            "",
            "keep one of them, or lower the strength of both",
        )


def mixing_regression_targets(view: View, context: Context) -> Iterator[LintMessage]:
    """In regression, the interpolated target may be wrong for the interpolated input."""
    mixing = view.named(*MIXING)
    if mixing and context.task == "regression":
        yield LintMessage(
            "note",
            names(mixing),
            (),
            "if two targets are far apart, their interpolation may be wrong for the interpolated input",
            sources.YAO,
            "use a small alpha, and compare with a recipe without it",
        )


def wrong_targets(view: View, context: Context) -> Iterator[LintMessage]:
    """A technique for class labels in regression, or a technique for numeric targets in classification."""
    if context.task is None:
        return
    tasks = {"labels": ("classification", "segmentation"), "numbers": ("regression",)}
    for technique in view.techniques:
        needs = "labels" if technique.name() == "class_balance" else technique.needs_targets
        by_row = isinstance(technique, OnSample) and needs == "labels" and context.task == "segmentation"
        if by_row or context.task not in tasks.get(needs, (context.task,)):
            reason = f"it requires targets that are {needs}, but the task is {context.task}"
            yield LintMessage("error", names([technique]), (), reason, "", "remove it")


RULES = (
    smoothing_with_mixing,
    smoothing_with_confidence_penalty,
    smoothing_with_disturb_label,
    smoothing_against_metric,
    mixing_twice,
    mixing_regression_targets,
    wrong_targets,
)
