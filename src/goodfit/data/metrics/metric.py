"""Metrics of the raw outputs of a network, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from goodfit.data.metrics.classification import LABEL_METRICS, CountFunction, class_counts
from goodfit.data.metrics.scoring import Needs, pinball_quantile, scores
from goodfit.data.task import TaskSpec
from goodfit.errors import InputError, near
from goodfit.types import Array


@dataclass(frozen=True)
class Metric:
    """A metric: call it with raw outputs and targets to get the score.

    `needs` says what the score is computed from: labels (the predicted class), scores (the probabilities) or values
    (regression outputs). The unit of rmse, mae and the pinball losses is that of the arguments; use
    `Preprocessing.restore_target` on both for the unit of the data (r2 has no unit). `needs_two_classes`: the score is
    not defined for targets of a single class.

    Shape: outputs (rows, classes) logits, (rows, 1) or (rows,) logits of the second of two classes, or (rows, 1) or
    (rows,) values; targets (rows,) int64, or (rows, 1) or (rows,) values → one number. With masks, every pixel counts
    as a row: outputs (rows, classes, height, width), targets (rows, height, width).

    The score is NaN if it is not defined: the outputs are not finite, the targets have a single class (roc_auc and
    average_precision) or a single row (r2). The log loss of a row is at most −log ε = 36.04, ε being the spacing of
    float64 at 1; the Brier score is halved for two classes only; both as in scikit-learn.

    >>> metric("accuracy")(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    0.5

    Raises:
        InputError: outputs and targets do not fit each other, or targets are not finite.
    """

    name: str
    higher_is_better: bool
    needs: Needs
    needs_two_classes: bool = False

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Compute the score."""
        return float(scores(self.name, self.needs, outputs.detach()[None], targets.detach()[None])[0])

    def is_defined(self, targets: torch.Tensor) -> bool:
        """Whether the score is defined for these targets, whatever the outputs.

        >>> metric("roc_auc").is_defined(torch.tensor([1, 1, 1])), metric("accuracy").is_defined(torch.tensor([1, 1]))
        (False, True)
        """
        return not self.needs_two_classes or len(targets.unique()) > 1

    def each(self, outputs: torch.Tensor, targets: torch.Tensor) -> list[float]:
        """Compute the scores of several networks at once, bit-identical to one by one.

        Shape: outputs (members, …); targets (…) if common to all, or (members, …), with … as for one network → one
        number for each member.

        >>> metric("mae").each(torch.tensor([[1.0, 2.0], [1.0, torch.nan]]), torch.tensor([1.0, 3.0]))
        [0.5, nan]

        Raises:
            InputError: outputs and targets do not fit each other, or targets are not finite.
        """
        own = targets.ndim == 4 if outputs.ndim == 5 else targets.shape[:2] == outputs.shape[:2]
        targets = targets.detach() if own else targets.detach()[None]
        each: list[float] = scores(self.name, self.needs, outputs.detach(), targets).tolist()
        return each

    def of_classes(self, predicted: torch.Tensor, targets: torch.Tensor, classes: int) -> float:
        """Compute the score from predicted classes instead of outputs, for metrics that need labels.

        Shape: predicted and targets (rows, …) class indices; classes is the number of classes.

        Raises:
            InputError: the metric needs scores or values.
        """
        function = count_function(self)
        y, labels = (t.reshape(1, -1).cpu().numpy().astype(np.int64) for t in (targets, predicted))
        return float(function(class_counts(y, labels, max(2, classes)))[0])


METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", True, "labels"),
        Metric("balanced_accuracy", True, "labels"),
        Metric("f1_macro", True, "labels"),
        Metric("iou", True, "labels"),
        Metric("roc_auc", True, "scores", needs_two_classes=True),
        Metric("average_precision", True, "scores", needs_two_classes=True),
        Metric("log_loss", False, "scores"),
        Metric("brier_score", False, "scores"),
        Metric("calibration_error", False, "scores"),
        Metric("r2", True, "values"),
        Metric("rmse", False, "values"),
        Metric("mae", False, "values"),
        Metric("pinball_0.1", False, "values"),
        Metric("pinball_0.5", False, "values"),
        Metric("pinball_0.9", False, "values"),
    )
}

BOUNDED = (*LABEL_METRICS, "roc_auc", "average_precision", "calibration_error")
"""Metrics with values in [0, 1]."""


def metric(name: str) -> Metric:
    """The metric with this name; `pinball_q` is the pinball loss of any quantile q.

    >>> metric("pinball_0.25")(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 0.0]))
    0.625

    Raises:
        InputError: there is none; the message lists similar names. The quantile is not in (0, 1).
    """
    if name in METRICS:
        return METRICS[name]
    try:
        quantile = pinball_quantile(str(name))
    except ValueError:
        raise InputError(f"metric: there is no '{name}'.{near(str(name), METRICS)}") from None
    if not 0 < quantile < 1:
        raise InputError(f"metric: the quantile of a pinball loss must be in (0, 1), got '{name}'; e.g. pinball_0.9.")
    return Metric(name, False, "values")


def default_metric(spec: TaskSpec, y: torch.Tensor | Array) -> str:
    """The name of the metric that is used by default.

    r2 for regression, iou for masks; accuracy if the largest class has fewer than twice the rows of the smallest; else
    balanced_accuracy, which does not reward always predicting the largest class.

    Shape: y (rows,) class indices.
    """
    if spec.task == "regression":
        return "r2"
    if spec.task == "segmentation":
        return "iou"
    counts = np.bincount(np.asarray(y).reshape(-1), minlength=len(spec.classes))
    return "accuracy" if counts.max() < 2 * counts.min() else "balanced_accuracy"


def count_function(metric: Metric) -> CountFunction:
    """The function of the counts per class that a metric is.

    Raises:
        InputError: the metric needs scores or values.
    """
    if metric.needs != "labels":
        able = ", ".join(LABEL_METRICS)
        raise InputError(f"{metric.name}: masks are scored by their predicted classes; choose one of {able}.")
    return LABEL_METRICS[metric.name]
