"""Scores of fits, computed from their stored predictions: the one place where a study measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from goodfit.data import METRICS, TaskSpec, metric
from goodfit.data.metrics import Metric, leave_one_out, leave_one_out_of_counts, score_of_counts, temperature
from goodfit.data.task import Task
from goodfit.errors import InputError
from goodfit.study.fits import Fit
from goodfit.study.statistics import Score
from goodfit.study.targets import Targets

CALIBRATED = "log_loss_calibrated"
"""The log loss after temperature scaling, with a temperature per fit that is fitted to its stop rows."""

REPORTED: Mapping[Task, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "average_precision", "log_loss",
                       CALIBRATED, "brier_score", "calibration_error"),
    "regression": ("rmse", "mae", "r2", "pinball_0.1", "pinball_0.9"),
    "segmentation": ("iou", "f1_macro", "accuracy", "balanced_accuracy"),
}  # fmt: skip
"""The metrics that a report lists, by task. A new one is a `Metric` and its name here."""

COUNTED = ("accuracy", "balanced_accuracy", "f1_macro")
"""Metrics that count rows: on few rows they can be 0 or 1 by chance."""


def base_metric(name: str) -> Metric:
    """The metric of this name, which may be `log_loss_calibrated`."""
    return metric("log_loss" if name == CALIBRATED else name)


def check_task_metric(name: str, spec: TaskSpec) -> None:
    """Check that a metric can be computed for a task.

    Raises:
        InputError: it cannot, or there is no metric of this name.
    """
    needs = base_metric(name).needs
    fits = {"classification": ("labels", "scores"), "segmentation": ("labels",), "regression": ("values",)}
    if needs not in fits[spec.task]:
        possible = [m.name for m in METRICS.values() if m.needs in fits[spec.task]]
        raise InputError(
            f"metric: it must be one for {spec.task}, got '{name}', which needs {needs}; choose one of "
            f"{', '.join(possible)}."
        )


UNDEFINED = Score(math.nan, np.empty(0), np.empty(0, np.int64))


class Scorer:
    """Computes the scores of fits, each of them once."""

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self._values: dict[tuple[Fit, str, str], float] = {}
        self._scores: dict[tuple[tuple[Fit, ...], str, str], Score] = {}
        self._temperatures: dict[Fit, float] = {}

    def value(self, fit: Fit, name: str, part: str) -> float:
        """The score of a single fit on a part; NaN if training failed or it is not defined."""
        key = fit, name, part
        if key not in self._values:
            self._values[key] = math.nan if fit.failure else self._value((fit,), name, part)
        return self._values[key]

    def scores(self, fits: Sequence[Fit], name: str, part: str) -> list[Score]:
        """The scores of a recipe's fits on a part, each with the influences of its rows; see `pools`."""
        return [self.score(pool, name, part) for pool in pools(fits, name, part)]

    def is_usable(self, fit: Fit) -> bool:
        """Whether a fit can be scored: it did not fail, and its outputs are finite."""
        return not fit.failure and all(bool(torch.isfinite(p.outputs).all()) for p in fit.predictions.values())

    def temperature(self, fit: Fit) -> float:
        """The temperature by which the logits of a fit must be divided, from its stop rows."""
        if fit not in self._temperatures:
            stop = fit.predictions["stop"]
            self._temperatures[fit] = temperature(stop.outputs, self.targets.of("stop", stop.rows)[0])
        return self._temperatures[fit]

    def smallest_variance(self, fits: Sequence[Fit], name: str, part: str) -> float:
        """The variance of a score that counts rows, at least: that of a class of which half a row is wrong.

        On few rows such a score can be 0 or 1 by chance, with no influence of any row.
        """
        if name not in COUNTED or not fits or fits[0].spec.task != "classification":
            return 0.0
        y = torch.cat([self.targets.of(part, fit.predictions[part].rows)[0] for fit in pools(fits, name, part)[0]])
        sizes = [len(y)] if name == "accuracy" else [n for n in torch.bincount(y).tolist() if n]
        shares = [0.5 / (n + 1) for n in sizes]
        return sum(p * (1 - p) / n for p, n in zip(shares, sizes, strict=True)) / len(sizes) ** 2

    def _value(self, fits: tuple[Fit, ...], name: str, part: str) -> float:
        metric, outputs = base_metric(name), self._outputs(fits, name, part)
        if fits[0].spec.task == "segmentation":
            return score_of_counts(metric, outputs.numpy())
        y, _ = self._targets(fits, part)
        return metric(outputs, y) if metric.is_defined(y) else math.nan

    def score(self, fits: tuple[Fit, ...], name: str, part: str) -> Score:
        """The score of the predictions of some fits together, with the influence of each row."""
        key = fits, name, part
        if key not in self._scores:
            value = self._value(fits, name, part)
            self._scores[key] = self._with_influences(fits, name, part, value) if math.isfinite(value) else UNDEFINED
        return self._scores[key]

    def _with_influences(self, fits: tuple[Fit, ...], name: str, part: str, value: float) -> Score:
        metric, outputs = base_metric(name), self._outputs(fits, name, part)
        y, units = self._targets(fits, part)
        if fits[0].spec.task == "segmentation":
            without = leave_one_out_of_counts(metric, outputs.numpy())
        else:
            without = leave_one_out(metric, outputs, y)
        return Score(value, (1 - 1 / len(without)) * (value - without), units.numpy())

    def _outputs(self, fits: tuple[Fit, ...], name: str, part: str) -> Tensor:
        outputs = [fit.predictions[part].outputs for fit in fits]
        if name == CALIBRATED:
            outputs = [o / self.temperature(fit) for o, fit in zip(outputs, fits, strict=True)]
        return torch.cat(outputs)

    def _targets(self, fits: tuple[Fit, ...], part: str) -> tuple[Tensor, Tensor]:
        parts = [self.targets.of(part, fit.predictions[part].rows) for fit in fits]
        return torch.cat([y for y, _ in parts]), torch.cat([units for _, units in parts])


def pools(fits: Sequence[Fit], name: str, part: str) -> list[tuple[Fit, ...]]:
    """The fits whose predictions are scored together.

    These are the fits of a repeat, whose validation rows are different: a class that is absent from some fold then
    counts as in the data. The outputs of different networks cannot be put in one order, though, so metrics of the order
    (ROC AUC, average precision) are computed fit by fit; and the test rows are the same for all fits.
    """
    if part == "test" or base_metric(name).needs_two_classes:
        return [(fit,) for fit in fits]
    repeats: dict[int, list[Fit]] = {}
    for fit in fits:
        repeats.setdefault(fit.repeat, []).append(fit)
    return [tuple(own) for own in repeats.values()]
