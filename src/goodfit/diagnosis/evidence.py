"""What a check looks at, and what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from goodfit.data import metric
from goodfit.history import History

Z = 1.96
"""Half-width of a 95 % interval in standard errors."""


class Diagnosable(Protocol):
    """A run, or anything with the same record of it."""

    history: History
    metric: str
    facts: dict[str, Any]

    @property
    def kept_epoch(self) -> int:
        """The epoch (from 1) whose weights are kept."""
        ...


@dataclass(frozen=True)
class Finding:
    """What one check found: in words, with its numbers, and what to try next."""

    check: str
    says: str
    """One of the check's own words, for instance `material`, `absent`, `unclear`."""
    title: str
    evidence: str
    next_step: str = ""


@dataclass(frozen=True)
class Interval:
    """An estimate with a 95 % interval."""

    value: float
    se: float

    @property
    def low(self) -> float:
        """Lower end."""
        return self.value - Z * self.se

    @property
    def high(self) -> float:
        """Upper end."""
        return self.value + Z * self.se

    def text(self, digits: int = 3) -> str:
        """The estimate and its interval.

        >>> Interval(0.5, 0.1).text()
        '0.500 [0.304, 0.696]'
        """
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    @property
    def known(self) -> bool:
        """Whether the interval is made of numbers."""
        return math.isfinite(self.value) and math.isfinite(self.se)


@dataclass(frozen=True)
class Evidence:
    """The History, the kept epoch, and what the data parts were."""

    history: History
    kept: int
    metric: str
    baseline: float
    """Data loss of the best constant prediction on the stop part; NaN where it is not known."""
    rows: Mapping[str, int]

    @classmethod
    def of(cls, run: Diagnosable) -> Evidence:
        """From a run."""
        rows = {name: int(run.facts.get(f"rows_{name}", 0)) for name in ("train", "sample", "stop")}
        baseline = run.facts.get("baseline_loss")
        return cls(run.history, run.kept_epoch, run.metric, math.nan if baseline is None else float(baseline), rows)

    def loss(self, part: str, epoch: int | None = None) -> Interval:
        """Mean data loss of `train` or `stop` at an epoch (default: the kept one)."""
        row = self.history.at(epoch or self.kept)
        return Interval(row[f"{part}_loss"], row[f"{part}_loss_se"])

    def score(self, part: str) -> Interval:
        """The metric of `train` or `stop` at the kept epoch; its standard error is known for accuracy only."""
        value = self.history.at(self.kept)[f"{part}_{self.metric}"]
        n = self.rows["sample" if part == "train" else "stop"]
        binomial = self.metric == "accuracy" and n > 0 and 0 <= value <= 1
        # Agresti–Coull's centre keeps the error above zero where every row is right.
        centre = (value * n + 2) / (n + 4) if binomial else math.nan
        return Interval(value, math.sqrt(centre * (1 - centre) / (n + 4)) if binomial else math.nan)

    @property
    def higher_is_better(self) -> bool:
        """The metric's direction."""
        return metric(self.metric).higher_is_better
