"""Evidence from numbers written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from goodfit.data import TaskSpec
from goodfit.diagnosis.evidence import Evidence
from goodfit.history import History

SPEC = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "hand")


@dataclass
class Recorded:
    """The part of a run that a diagnosis reads."""

    history: History
    kept_epoch: int
    metric: str = "accuracy"
    metadata: dict[str, Any] = field(default_factory=dict)
    spec: TaskSpec = SPEC


@pytest.fixture
def recorded() -> Callable[..., Recorded]:
    """A record: a stop and a train loss per epoch (one number: in every epoch), with their standard errors."""

    def make(
        stop: Sequence[float],
        train: Sequence[float] | float = 0.3,
        *,
        se: tuple[float, float] = (0.01, 0.01),
        score: tuple[float, float] = (0.9, 0.9),
        baseline: float | None = 1.0,
        rows: int = 1000,
        metric: str = "accuracy",
        kept: int | None = None,
    ) -> Recorded:
        history = History()
        for i, value in enumerate(stop):
            history.append({
                "epoch": i + 1, "stop_loss": value, "stop_loss_se": se[1], "train_loss_se": se[0],
                "train_loss": train if isinstance(train, float) else train[i],
                f"train_{metric}": score[0], f"stop_{metric}": score[1],
            })  # fmt: skip
        metadata = {"rows_sample": rows, "rows_stop": rows, "rows_train": rows, "baseline_loss": baseline}
        return Recorded(history, kept if kept is not None else len(history), metric, metadata)

    return make


@pytest.fixture
def evidence(recorded: Callable[..., Recorded]) -> Callable[..., Evidence]:
    """The evidence of such a record."""
    return lambda *values, **options: Evidence.of(recorded(*values, **options))


@pytest.fixture
def nan() -> float:
    return math.nan
