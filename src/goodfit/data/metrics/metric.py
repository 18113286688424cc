"""Scores of a network's raw outputs, by name."""

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
    """A score: call it with raw outputs and targets.

    `needs` says what it is made from: labels (the largest logit), scores (softmax or sigmoid of the logits)
    or values (regression outputs). Regression metrics are in the unit of what they are given: turn both back
    with `Preprocessing.restore_target` for rmse and mae in the data's own unit (r2 is the same in any unit).

    Shape: outputs (rows, classes) logits, (rows, 1) or (rows,) logits of the second of two classes, or (rows,
    1) or (rows,) values; targets (rows,) int64, or (rows, 1) or (rows,) values → one number. Of masks every pixel is a
    row: outputs (rows, classes, height, width), targets (rows, height, width).

    The result is NaN where the score is not defined: outputs that are not finite, or targets of one class for
    roc_auc. A row's log loss ends at −log ε = 36.04, ε the float64 spacing at 1, as in scikit-learn.

    >>> metric("accuracy")(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    0.5

    Raises:
        InputError: outputs and targets do not fit each other, or targets are not finite.
    """

    name: str
    higher_is_better: bool
    needs: Needs

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """The score of these outputs."""
        return _scores(self, outputs.detach()[None], targets.detach()[None])[0]

    def each(self, outputs: torch.Tensor, targets: torch.Tensor) -> list[float]:
        """The score of each of several networks: to the bit what each gets alone, in one go.

        Shape: outputs (members, …), targets (…), the same for all, or (members, …); … as for one network →
        one number for each member.

        >>> metric("mae").each(torch.tensor([[1.0, 2.0], [1.0, torch.nan]]), torch.tensor([1.0, 3.0]))
        [0.5, nan]

        Raises:
            InputError: outputs and targets do not fit each other, or targets are not finite.
        """
        own = targets.ndim == 4 if outputs.ndim == 5 else targets.shape[:2] == outputs.shape[:2]
        return _scores(self, outputs.detach(), targets.detach() if own else targets.detach()[None])

    def of_classes(self, named: torch.Tensor, targets: torch.Tensor, classes: int) -> float:
        """The score of named classes, where outputs are not kept; for metrics that need labels alone.

        Shape: named and targets alike, (rows, …) whole numbers; classes: how many there are.

        Raises:
            InputError: a metric that needs more.
        """
        if self.needs != "labels":
            able = ", ".join(LABEL_METRICS)
            raise InputError(f"{self.name}: of masks there are scores of named classes only; take one of {able}.")
        y, found = (t.reshape(1, -1).cpu().numpy().astype(np.int64) for t in (targets, named))
        return float(LABEL_METRICS[self.name](y, found, max(2, classes))[0])


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
"""Metrics that lie between 0 and 1."""


def metric(name: str) -> Metric:
    """The metric of this name.

    Raises:
        InputError: unknown; near names are given.
    """
    if name not in METRICS:
        raise InputError(f"metric: there is no '{name}'.{near(str(name), METRICS)}")
    return METRICS[name]


def default_metric(spec: TaskSpec, y: torch.Tensor | Array) -> str:
    """The metric to compare by if none is named.

    r2 for regression, iou for masks; accuracy where the largest class has fewer than twice the rows of the smallest;
    else balanced_accuracy, which a network cannot win by always naming the largest class.

    Shape: y (rows,) class indices.
    """
    if spec.task == "regression":
        return "r2"
    if spec.task == "segmentation":
        return "iou"
    counts = np.bincount(np.asarray(y).reshape(-1), minlength=len(spec.classes))
    return "accuracy" if counts.max() < 2 * counts.min() else "balanced_accuracy"


def _scores(measure: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """The score of each member's raw outputs (members, rows, …); targets (members, rows, …) or (1, rows, …)."""
    targets = targets.cpu()
    if outputs.ndim == 5 and targets.ndim == 4:
        outputs, targets = outputs.movedim(2, -1).flatten(1, 3), targets.flatten(1)
    _check(measure, outputs, targets)
    finite = torch.isfinite(outputs.flatten(1).abs().amax(1)).cpu().numpy()
    # Sums over rows are NumPy's: it adds a contiguous row in one order whatever the number of members and threads,
    # torch does not. So a member's score is the same alone and among others.
    with np.errstate(all="ignore"):  # members that are not finite are computed with the others, then replaced
        if measure.needs == "values":
            found = VALUE_METRICS[measure.name](targets, outputs)
        else:
            logits = outputs if outputs.ndim == 3 else outputs[..., None]
            y, classes = targets.long(), max(2, logits.shape[-1])
            if measure.needs == "scores":
                found = SCORE_METRICS[measure.name](y, logits)
            else:
                found = LABEL_METRICS[measure.name](y.numpy(), predicted_classes(logits).cpu().numpy(), classes)
    scores: list[float] = np.where(finite, found, np.nan).tolist()
    return scores


def _check(measure: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    shapes = f"outputs {tuple(outputs.shape[1:])} and targets {tuple(targets.shape[1:])}"
    fit = targets.shape[:2] in (outputs.shape[:2], (1, *outputs.shape[1:2]))
    if outputs.ndim not in (2, 3) or not fit or outputs.numel() == 0:
        raise InputError(f"{measure.name}: {shapes} do not fit; one row of outputs for each target is needed.")
    if measure.needs == "values":
        if math.prod(outputs.shape[2:]) != 1 or math.prod(targets.shape[2:]) != 1:
            raise InputError(f"{measure.name}: one value for each row is needed, got {shapes}.")
        if not bool(torch.isfinite(targets).all()):
            raise InputError(f"{measure.name}: targets must be finite numbers, got NaN or an infinite value.")
        return
    if targets.ndim != 2 or targets.is_floating_point():
        raise InputError(f"{measure.name}: class indices of shape (rows,) are needed as targets, got {shapes}.")
    classes = max(2, math.prod(outputs.shape[2:]))
    low, high = (int(t) for t in targets.aminmax())
    if low < 0 or high >= classes:
        raise InputError(f"{measure.name}: targets reach {high}, the outputs have {classes} classes.")
