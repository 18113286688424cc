"""Metrics of the raw outputs of a network, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch

from goodfit.data.metrics.classification import LABEL_METRICS, SCORE_METRICS
from goodfit.data.metrics.logits import predicted_classes
from goodfit.data.metrics.regression import VALUE_METRICS
from goodfit.data.task import TaskSpec
from goodfit.errors import InputError, near
from goodfit.types import Array

Needs: TypeAlias = Literal["labels", "scores", "values"]


@dataclass(frozen=True)
class Metric:
    """A metric: call it with raw outputs and targets to get the score.

    `needs` says what the score is computed from: labels (the predicted class), scores (the probabilities) or values
    (regression outputs). The unit of rmse and mae is that of the arguments; use `Preprocessing.restore_target` on both
    for the unit of the data (r2 has no unit).

    Shape: outputs (rows, classes) logits, (rows, 1) or (rows,) logits of the second of two classes, or (rows, 1) or
    (rows,) values; targets (rows,) int64, or (rows, 1) or (rows,) values → one number. With masks, every pixel counts
    as a row: outputs (rows, classes, height, width), targets (rows, height, width).

    The score is NaN if it is not defined: the outputs are not finite, or for roc_auc, the targets have a single class.
    The log loss of a row is at most −log ε = 36.04, ε being the spacing of float64 at 1, as in scikit-learn.

    >>> metric("accuracy")(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    0.5

    Raises:
        InputError: outputs and targets do not fit each other, or targets are not finite.
    """

    name: str
    higher_is_better: bool
    needs: Needs

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Compute the score."""
        return _scores(self, outputs.detach()[None], targets.detach()[None])[0]

    def is_defined(self, targets: torch.Tensor) -> bool:
        """Whether the score is defined for these targets, whatever the outputs.

        >>> metric("roc_auc").is_defined(torch.tensor([1, 1, 1])), metric("accuracy").is_defined(torch.tensor([1, 1]))
        (False, True)
        """
        return self.name != "roc_auc" or len(targets.unique()) > 1

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
        return _scores(self, outputs.detach(), targets.detach() if own else targets.detach()[None])

    def of_classes(self, predicted: torch.Tensor, targets: torch.Tensor, classes: int) -> float:
        """Compute the score from predicted classes instead of outputs, for metrics that need labels.

        Shape: predicted and targets (rows, …) class indices; classes is the number of classes.

        Raises:
            InputError: the metric needs scores or values.
        """
        if self.needs != "labels":
            able = ", ".join(LABEL_METRICS)
            raise InputError(f"{self.name}: masks are scored by their predicted classes; choose one of {able}.")
        y, labels = (t.reshape(1, -1).cpu().numpy().astype(np.int64) for t in (targets, predicted))
        return float(LABEL_METRICS[self.name](y, labels, max(2, classes))[0])


METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", True, "labels"),
        Metric("balanced_accuracy", True, "labels"),
        Metric("f1_macro", True, "labels"),
        Metric("iou", True, "labels"),
        Metric("roc_auc", True, "scores"),
        Metric("log_loss", False, "scores"),
        Metric("r2", True, "values"),
        Metric("rmse", False, "values"),
        Metric("mae", False, "values"),
    )
}

BOUNDED = ("accuracy", "balanced_accuracy", "f1_macro", "iou", "roc_auc")
"""Metrics with values in [0, 1]."""


def metric(name: str) -> Metric:
    """The metric with this name.

    Raises:
        InputError: there is none; the message lists similar names.
    """
    if name not in METRICS:
        raise InputError(f"metric: there is no '{name}'.{near(str(name), METRICS)}")
    return METRICS[name]


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


def _scores(metric: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """The scores of the members' raw outputs (members, rows, …); targets (members, rows, …) or (1, rows, …)."""
    targets = targets.cpu()
    if outputs.ndim == 5 and targets.ndim == 4:
        outputs, targets = outputs.movedim(2, -1).flatten(1, 3), targets.flatten(1)
    _check(metric, outputs, targets)
    finite = torch.isfinite(outputs.flatten(1).abs().amax(1)).cpu().numpy()
    # NumPy computes the sums over rows, because its order of summation does not depend on the number of members and
    # threads, while torch's does. So a member's score does not depend on the other members.
    with np.errstate(all="ignore"):  # members with infinite outputs are replaced below
        if metric.needs == "values":
            values = VALUE_METRICS[metric.name](targets, outputs)
        else:
            logits = outputs if outputs.ndim == 3 else outputs[..., None]
            y, classes = targets.long(), max(2, logits.shape[-1])
            if metric.needs == "scores":
                values = SCORE_METRICS[metric.name](y, logits)
            else:
                values = LABEL_METRICS[metric.name](y.numpy(), predicted_classes(logits).cpu().numpy(), classes)
    scores: list[float] = np.where(finite, values, np.nan).tolist()
    return scores


def _check(metric: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    shapes = f"outputs {tuple(outputs.shape[1:])} and targets {tuple(targets.shape[1:])}"
    fit = targets.shape[:2] in (outputs.shape[:2], (1, *outputs.shape[1:2]))
    if outputs.ndim not in (2, 3) or not fit or outputs.numel() == 0:
        raise InputError(f"{metric.name}: {shapes} do not fit; there must be one row of outputs for each target.")
    if metric.needs == "values":
        if math.prod(outputs.shape[2:]) != 1 or math.prod(targets.shape[2:]) != 1:
            raise InputError(f"{metric.name}: there must be one value for each row, got {shapes}.")
        if not bool(torch.isfinite(targets).all()):
            raise InputError(f"{metric.name}: targets must be finite numbers, got NaN or an infinite value.")
        return
    if targets.ndim != 2 or targets.is_floating_point():
        raise InputError(f"{metric.name}: targets must be class indices of shape (rows,), got {shapes}.")
    classes = max(2, math.prod(outputs.shape[2:]))
    low, high = (int(t) for t in targets.aminmax())
    if low < 0 or high >= classes:
        raise InputError(
            f"{metric.name}: targets must be in [0, {classes - 1}] for outputs of {classes} classes, got {low}…{high}."
        )
