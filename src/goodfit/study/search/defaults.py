"""The default space of a study, and the single techniques that it tries first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.registry import find
from goodfit.study.candidates import applies_to
from goodfit.study.search.space import Space
from goodfit.train.config import Training

BEFORE: Mapping[str, Any] = {
    "batch_norm": True,
    "gaussian_noise.input_stddev": (0.05, 0.5),
    "gaussian_noise.stddev": (0.05, 0.5),
    "dropout.rate": (0.1, 0.8),
    "dropout.input_rate": (0.05, 0.5),
}
AFTER: Mapping[str, Any] = {
    "swap_noise": (0.05, 0.4),
    "mixup": (0.1, 1.0),
    "cutmix.p": (0.2, 1.0),
    "label_smoothing": (0.02, 0.3),
    "class_weights": (0.3, 1.0),
    "l1": (3e-5, 1e-2),
    "l2": (3e-4, 1e-1),
    "weight_decay": (0.03, 10.0),
    "max_norm": (0.3, 3.0),
    "ema": (0.3, 3.0),
    "early_stopping": (4, 20),
}
"""Ranges from no effect to harm, in the order in which the techniques act; augmentations of the data kind come between.
They are wider than the usual strengths (`knob.search`), which often change nothing."""
GRID: Mapping[str, Sequence[Any]] = {
    "l1": (1e-4, 1e-3, 3e-3),
    "l2": (1e-3, 1e-2, 5e-2),
    "weight_decay": (0.1, 1.0, 10.0),
    "max_norm": (3.0, 1.0, 0.5),
    "dropout.rate": (0.25, 0.5, 0.8),
    "dropout.input_rate": (0.1, 0.3, 0.5),
    "gaussian_noise.input_stddev": (0.1, 0.3),
    "gaussian_noise.stddev": (0.1, 0.3),
    "batch_norm": (True,),
    "swap_noise": (0.1, 0.3),
    "mixup": (0.2, 1.0),
    "cutmix.p": (0.5, 1.0),
    "label_smoothing": (0.1, 0.2),
    "class_weights": (0.5, 1.0),
    "ema": (0.5, 2.0),
    "early_stopping": (10, 5),
}
"""Strengths of single techniques, weakest first."""
BALANCED = ("balanced_accuracy", "f1_macro", "average_precision")
"""Metrics for which class weights may help."""
UNSMOOTHED = ("log_loss", "log_loss_calibrated", "brier_score", "calibration_error", "roc_auc", "average_precision")
"""Metrics that label smoothing cannot improve: it changes probabilities and their order."""


def default_ranges(spec: TaskSpec, training: Training) -> dict[str, Any]:
    """The ranges of the default space: every technique that applies to the task, and training settings."""
    ranges = {**BEFORE, **spec.inputs.data_kind.ranges, **AFTER}
    usual = training.learning_rate
    settings = {
        "learning_rate": (usual / 3, usual * 10),
        "schedule": ["constant", "cosine"],
        "epochs": (max(1, training.epochs // 3), training.epochs) if training.epochs > 2 else [training.epochs],
    }
    return {n: r for n, r in ranges.items() if is_useful(n, spec, training.metric)} | settings


def is_useful(name: str, spec: TaskSpec, metric: str) -> bool:
    """Whether a technique applies to a task and can improve its metric."""
    owner = name.partition(".")[0]
    if owner == "class_weights" and metric not in BALANCED:
        return False
    if owner == "label_smoothing" and metric in UNSMOOTHED:
        return False
    return applies_to(find(owner)(), spec)


def default_space(spec: TaskSpec, training: Training) -> Space:
    """The default space of a task."""
    return Space(default_ranges(spec, training), widen=True)


def single_techniques(space: Space, spec: TaskSpec) -> dict[str, list[Recipe]]:
    """For each technique of a space, recipes with it alone, weakest first.

    Strengths outside the space are left out; where none is left, three within the range are used.
    """
    grid = {**GRID, **spec.inputs.data_kind.grid}
    singles: dict[str, list[Recipe]] = {}
    for axis in space.axes:
        if not axis.off:
            continue
        name = axis.name if axis.name in grid else axis.owner
        values = [v for v in grid.get(name, ()) if axis.scale.share(v) is not None]
        values = values or list(dict.fromkeys(axis.scale.value(share) for share in (0.25, 0.5, 0.75)))
        singles[axis.name] = [space.single(axis, value) for value in values]
    return singles
