"""The input of a check (`Evidence`) and its output (`Finding`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from goodfit.data import TaskSpec, metric
from goodfit.history import History

Z = 1.96
"""Half-width of a 95 % interval in standard errors."""


class Diagnosable(Protocol):
    """A run, or any object with these attributes of a run."""

    @property
    def history(self) -> History:
        """One row per epoch."""
        ...

    @property
    def metric(self) -> str:
        """The name of the metric in the History."""
        ...

    @property
    def spec(self) -> TaskSpec:
        """The task."""
        ...

    @property
    def metadata(self) -> dict[str, Any]:
        """Row counts and the loss of a constant prediction; see `run_metadata`."""
        ...

    @property
    def kept_epoch(self) -> int:
        """The epoch (from 1) whose weights are kept."""
        ...


@dataclass(frozen=True)
class Finding:
    """The result of one check, with the numbers that support it and a suggestion.

    Attributes:
        check: the name of the check: "gap", "trend" or "baseline".
        result: the result as one word of the check, for example "large", "small" or "unclear".
        title: the result as a sentence.
        evidence: the numbers behind it.
        next_step: what to try next; may be empty.
    """

    check: str
    result: str
    title: str
    evidence: str
    next_step: str = ""


@dataclass(frozen=True)
class Interval:
    """An estimate with its standard error and 95 % interval; nothing is below `lowest`."""

    value: float
    se: float
    lowest: float = -math.inf

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return max(self.value - Z * self.se, self.lowest)

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.value + Z * self.se

    def text(self, digits: int = 3) -> str:
        """Return the estimate and its interval as text.

        >>> Interval(0.5, 0.1).text()
        '0.500 [0.304, 0.696]'
        """
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    @property
    def known(self) -> bool:
        """Whether estimate and standard error are finite."""
        return math.isfinite(self.value) and math.isfinite(self.se)


@dataclass(frozen=True)
class Evidence:
    """What the checks use of a run: History, kept epoch, constant baseline and sizes of the data parts."""

    history: History
    kept: int
    metric: str
    baseline: float
    """Data loss of the best constant prediction on the stop part, or NaN if it is not known."""
    rows: Mapping[str, int]
    one_label: bool = True
    """Whether every row has one label, so that the accuracy counts rows; masks have one label per pixel."""

    @classmethod
    def of(cls, run: Diagnosable) -> Evidence:
        """Collect the evidence of a run."""
        rows = {name: int(run.metadata.get(f"rows_{name}", 0)) for name in ("train", "sample", "stop")}
        baseline = run.metadata.get("baseline_loss")
        return cls(run.history, run.kept_epoch, run.metric, math.nan if baseline is None else float(baseline), rows,
                   run.spec.task == "classification")  # fmt: skip

    def loss(self, part: str, epoch: int | None = None) -> Interval:
        """Return the mean data loss on `train` or `stop` at an epoch (default: the kept epoch)."""
        row = self.history.at(epoch or self.kept)
        negative = any(value < 0 for name in ("train_loss", "stop_loss") for value in self.history[name])
        return Interval(row[f"{part}_loss"], row[f"{part}_loss_se"], -math.inf if negative else 0.0)

    def score(self, part: str) -> Interval:
        """Return the metric on `train` or `stop` at the kept epoch; only the accuracy of rows has a known error."""
        value = self.history.at(self.kept)[f"{part}_{self.metric}"]
        n = self.rows["sample" if part == "train" else "stop"]
        binomial = self.metric == "accuracy" and self.one_label and n > 0 and 0 <= value <= 1
        # The centre of the Agresti-Coull interval keeps the error above zero even if every row is correct.
        centre = (value * n + 2) / (n + 4) if binomial else math.nan
        return Interval(value, math.sqrt(centre * (1 - centre) / (n + 4)) if binomial else math.nan)

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher metric is better."""
        return metric(self.metric).higher_is_better
