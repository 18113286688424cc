"""Fits: what a training of a recipe on one fold leaves behind. Every number of a study is computed from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from goodfit.data import Split, TaskSpec, metric
from goodfit.data.metrics import mask_counts
from goodfit.diagnosis import Verdict, diagnose
from goodfit.history import History
from goodfit.study.candidates import Candidate
from goodfit.study.design import Fold
from goodfit.study.stages import COMPARE
from goodfit.train.evaluate import evaluate, predict_masks
from goodfit.train.losses import LOSSES, Criterion, Loss
from goodfit.train.run import Run

PARTS = ("stop", "validation", "test")
"""The parts on whose rows a fit leaves its outputs."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The outputs of a network on the rows of a part.

    Shape: rows (n,) positions in the data; outputs (n, classes) logits, (n, 1) logits of the second of two classes, or
    (n, 1) float64 values in the unit of the target; of masks, (n, 3, classes) counts of pixels (see `mask_counts`).
    """

    rows: Tensor
    outputs: Tensor


@dataclass(frozen=True, eq=False)
class Fit:
    """One training of a recipe on one fold with one seed.

    Attributes:
        candidate: the recipe and its label.
        repeat, fold: the fold, each from 0; `seed` is that of the training.
        spec, metric: the task, and the metric of the History.
        predictions: the outputs by part; empty if training failed.
        history, kept_epoch, best_epoch, stopped, metadata: see `Run`.
        loss: the mean data loss on the validation rows.
        seconds: the training time.
        failure: why training failed; "" if it did not.
        stage: why it was trained: COMPARE, SCREEN, SHORT (as SCREEN, with fewer epochs), ABLATE or SWEEP.
    """

    candidate: Candidate
    repeat: int
    fold: int
    seed: int
    spec: TaskSpec
    metric: str
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    history: History = field(default_factory=History)
    kept_epoch: int = 0
    best_epoch: int = 0
    stopped: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    loss: float = math.nan
    seconds: float = math.nan
    failure: str = ""
    stage: str = COMPARE

    @property
    def label(self) -> str:
        """The label of the recipe."""
        return self.candidate.label

    @property
    def key(self) -> tuple[int, int]:
        """Repeat and fold: fits of different recipes with the same key are paired."""
        return self.repeat, self.fold

    @cached_property
    def verdict(self) -> Verdict | None:
        """The verdict on the run; None if training failed."""
        return None if self.failure else diagnose(self)

    @property
    def gap(self) -> float:
        """The train metric minus the stop metric at the kept epoch."""
        if not len(self.history):
            return math.nan
        row = self.history.at(self.kept_epoch)
        return row[f"train_{self.metric}"] - row[f"stop_{self.metric}"]


def failed_fit(candidate: Candidate, fold: Fold, spec: TaskSpec, metric: str, reason: str, stage: str = COMPARE) -> Fit:
    """The fit of a training that failed."""
    return Fit(candidate, *fold.key, fold.seed, spec, metric, failure=reason, stage=stage)


def fit_of(
    candidate: Candidate, fold: Fold, run: Run, split: Split, loss: Loss | None = None, stage: str = COMPARE
) -> Fit:
    """What a finished run leaves behind. `loss`: the user's own, as in `run_study`.

    Outputs on the test rows are kept of the stage COMPARE only: no other stage may use them.
    """
    parts = PARTS if stage == COMPARE else PARTS[:2]
    criterion = Criterion(run.loss, loss or LOSSES[run.loss])
    if split.spec.task == "segmentation":
        outputs = {part: _mask_counts(run, split, part) for part in parts}
        value = evaluate(run.model, split.validation.x, split.validation.y, criterion, metric(run.metric)).loss
    else:
        raw = {part: run.outputs(split.parts[part].x).cpu() for part in parts}
        outputs = {part: _in_units(run, output) for part, output in raw.items()}
        value = float(criterion.losses(raw["validation"], split.validation.y.cpu()).mean())
    rows = {part: torch.from_numpy(fold.rows(part)) for part in parts}
    return Fit(
        candidate, *fold.key, fold.seed, run.spec, run.metric, {p: Predictions(rows[p], outputs[p]) for p in parts},
        run.history, run.kept_epoch, run.best_epoch, run.stopped, run.metadata, value,
        sum(run.history["seconds"]), stage=stage,
    )  # fmt: skip


def _mask_counts(run: Run, split: Split, part: str) -> Tensor:
    x, y = split.parts[part].x, split.parts[part].y
    return torch.from_numpy(mask_counts(predict_masks(run.model, x), y, len(run.spec.classes)))


def _in_units(run: Run, raw: Tensor) -> Tensor:
    """Outputs as they are kept: logits in float32, values in the unit of the target."""
    if run.spec.task != "regression":
        return raw.float()
    values = raw.double()
    return torch.from_numpy(run.preprocessing.restore_target(values.numpy())) if run.preprocessing else values
