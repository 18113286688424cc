"""Scores of a network's raw outputs, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch

from goodfit.data.arrays import Array
from goodfit.data.task import TaskSpec
from goodfit.errors import InputError, near

Needs: TypeAlias = Literal["labels", "scores", "values"]


@dataclass(frozen=True)
class Metric:
    """A score: call it with raw outputs and targets.

    `needs` says what it is made from: labels (the largest logit), scores (softmax or sigmoid of the logits)
    or values (regression outputs). Regression metrics are in the unit of what they are given: turn both back
    with `Preprocessing.restore_target` for rmse and mae in the data's own unit (r2 is the same in any unit).

    Shape: outputs (rows, classes) logits, (rows, 1) or (rows,) logits of the second of two classes, or (rows,
    1) or (rows,) values; targets (rows,) int64, or (rows, 1) or (rows,) values → one number.

    The result is NaN where the score is not defined: outputs that are not finite, or targets of one class for
    roc_auc.

    >>> metric("accuracy")(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    0.5

    Raises:
        InputError: outputs and targets do not fit each other.
    """

    name: str
    higher_is_better: bool
    needs: Needs

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """The score of these outputs."""
        return compute(self, outputs, targets)


METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric("accuracy", True, "labels"),
        Metric("balanced_accuracy", True, "labels"),
        Metric("f1_macro", True, "labels"),
        Metric("roc_auc", True, "scores"),
        Metric("log_loss", False, "scores"),
        Metric("r2", True, "values"),
        Metric("rmse", False, "values"),
        Metric("mae", False, "values"),
    )
}

UNIT = ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc")
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

    r2 for regression; accuracy where the largest class has fewer than twice the rows of the smallest; else
    balanced_accuracy, which a network cannot win by always naming the largest class.

    Shape: y (rows,) class indices.
    """
    if spec.task == "regression":
        return "r2"
    counts = np.bincount(np.asarray(y).reshape(-1), minlength=len(spec.classes))
    return "accuracy" if counts.max() < 2 * counts.min() else "balanced_accuracy"


def compute(measure: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> float:
    """The score `measure` of raw outputs; see `Metric`."""
    outputs, targets = outputs.detach(), targets.detach()
    _check(measure, outputs, targets)
    if not bool(torch.isfinite(outputs).all()):
        return float("nan")
    if measure.needs == "values":
        return _VALUES[measure.name](_flat(targets).cpu().double().numpy(), _flat(outputs).cpu().double().numpy())
    if measure.needs == "labels":
        hit = predicted(outputs)
        if measure.name == "accuracy":  # every epoch: no copy to NumPy
            return float((hit == targets).float().mean())
        return _LABELS[measure.name](targets.cpu().numpy(), hit.cpu().numpy())
    score, made_from = _SCORES[measure.name]
    return score(targets.cpu().numpy(), made_from(outputs))


def predicted(outputs: torch.Tensor) -> torch.Tensor:
    """The class index of each row.

    Shape: (rows, classes), (rows, 1) or (rows,) logits → (rows,) int64.
    """
    return (_flat(outputs) > 0).long() if _one_logit(outputs) else outputs.argmax(1)


def probabilities(outputs: torch.Tensor) -> Array:
    """The probability of each class, in float64, rows with sum 1.

    Shape: (rows, classes) → the same; (rows, 1) or (rows,) → (rows, 2).
    """
    array: Array = _logits(outputs).softmax(1).numpy()
    return array


def log_odds(outputs: torch.Tensor) -> Array:
    """log(p / (1 − p)) of each class: ranks as p does, but also where p is 1.0 when rounded.

    Shape: (rows, classes) → the same; (rows, 1) or (rows,) → (rows, 2).
    """
    logits = _logits(outputs)
    log_p = logits.log_softmax(1)
    largest = logits.argmax(1, keepdim=True)
    # Only the largest p can be near 1: its odds come from the other logits, without 1 − p.
    others = logits.scatter(1, largest, -torch.inf).logsumexp(1, keepdim=True)
    odds = log_p - torch.log1p(-log_p.exp().clamp(max=0.5))
    array: Array = odds.scatter(1, largest, logits.gather(1, largest) - others).numpy()
    return array


def _logits(outputs: torch.Tensor) -> torch.Tensor:
    """Logits of every class, in float64."""
    logits = outputs.detach().cpu().double()
    return torch.stack([torch.zeros_like(_flat(logits)), _flat(logits)], 1) if _one_logit(logits) else logits


def _one_logit(outputs: torch.Tensor) -> bool:
    return outputs.ndim == 1 or outputs.shape[1] == 1


def _flat(values: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1)


def _check(measure: Metric, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    shapes = f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}"
    if len(outputs) == 0 or len(outputs) != len(targets) or outputs.ndim not in (1, 2):
        raise InputError(f"{measure.name}: {shapes} do not fit; one row of outputs for each target is needed.")
    if measure.needs == "values":
        if outputs.numel() != len(targets) or targets.numel() != len(targets):
            raise InputError(f"{measure.name}: one value for each row is needed, got {shapes}.")
        return
    if targets.ndim != 1 or targets.is_floating_point():
        raise InputError(f"{measure.name}: class indices of shape (rows,) are needed as targets, got {shapes}.")
    classes = 2 if _one_logit(outputs) else outputs.shape[1]
    if int(targets.min()) < 0 or int(targets.max()) >= classes:
        raise InputError(f"{measure.name}: targets reach {int(targets.max())}, the outputs have {classes} classes.")


def _balanced_accuracy(y: Array, hit: Array) -> float:
    from sklearn.metrics import recall_score

    # The mean recall of the classes that occur: what balanced_accuracy_score computes, without its warning.
    return float(recall_score(y, hit, labels=np.unique(y), average="macro", zero_division=0))


def _f1_macro(y: Array, hit: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(y, hit, average="macro", zero_division=0))


def _roc_auc(y: Array, odds: Array) -> float:
    from sklearn.metrics import roc_auc_score

    present = np.unique(y)
    if len(present) < 2:
        return float("nan")
    if odds.shape[1] == 2:
        return float(roc_auc_score(y, odds[:, 1]))
    return float(np.mean([roc_auc_score(y == c, odds[:, c]) for c in present]))


def _log_loss(y: Array, p: Array) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(y, p, labels=np.arange(p.shape[1])))


def _r2(y: Array, values: Array) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(y, values)) if len(y) > 1 else float("nan")


def _rmse(y: Array, values: Array) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(y, values))


def _mae(y: Array, values: Array) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(y, values))


_Score: TypeAlias = Callable[[Array, Array], float]
_LABELS: dict[str, _Score] = {"balanced_accuracy": _balanced_accuracy, "f1_macro": _f1_macro}
_SCORES: dict[str, tuple[_Score, Callable[[torch.Tensor], Array]]] = {
    "roc_auc": (_roc_auc, log_odds),
    "log_loss": (_log_loss, probabilities),
}
_VALUES: dict[str, _Score] = {"r2": _r2, "rmse": _rmse, "mae": _mae}
