"""The answer of a study: every run's score, and the ranking."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from goodfit.data import TaskSpec, metric
from goodfit.data.metrics import UNIT
from goodfit.diagnosis import Verdict, diagnose
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.statistics import Estimate, corrected_interval, paired
from goodfit.train.config import Training
from goodfit.train.run import Run

if TYPE_CHECKING:
    import pandas as pd


COUNTS = ("accuracy", "balanced_accuracy", "f1_macro")
"""The metrics that are made of counts of rows."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One run of a study: its recipe, its seed, and what it reached on the validation part."""

    candidate: Candidate
    seed: int
    score: float
    loss: float
    seconds: float
    run: Run | None = None
    verdict: Verdict | None = None
    failure: str = ""

    def row(self) -> dict[str, Any]:
        """Plain data, a line of `runs.csv`."""
        return {
            "recipe": self.candidate.label, "text": self.candidate.recipe.text(), "seed": self.seed,
            "score": self.score, "loss": self.loss, "verdict": self.verdict.label if self.verdict else "",
            "epochs": self.run.epochs if self.run else 0, "kept_epoch": self.run.kept_epoch if self.run else 0,
            "seconds": self.seconds, "stopped": self.failure or (self.run.stopped if self.run else ""),
        }  # fmt: skip


@dataclass(frozen=True)
class RankedRecipe:
    """A recipe of the ranking: mean score with interval, paired difference to plain with interval."""

    candidate: Candidate
    score: Estimate
    difference: Estimate | None
    wins: int
    verdict: str
    gap: float
    seconds: float
    failures: int


@dataclass(eq=False)
class Study:
    """Which of these recipes helps on this data, how much, how sure.

    `test` holds the scores on the test part, opened once at the end for the plain network and the best recipe.
    """

    name: str
    spec: TaskSpec
    metric: str
    network: str
    training: Training
    seeds: tuple[int, ...]
    rows: dict[str, int]
    trials: list[Trial] = field(default_factory=list)
    test: dict[str, Estimate] = field(default_factory=dict)
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def higher_is_better(self) -> bool:
        """The metric's direction."""
        return metric(self.metric).higher_is_better

    def of(self, label: str) -> list[Trial]:
        """The trials of a recipe, by seed."""
        return [o for o in self.trials if o.candidate.label == label]

    def run_of(self, label: str) -> Run:
        """The run of a recipe's first seed that was trained."""
        return next(o.run for o in self.of(label) if o.run is not None)

    def ranking(self) -> list[RankedRecipe]:
        """Best mean score first; recipes without a finished run last."""
        labels = list(dict.fromkeys(o.candidate.label for o in self.trials))
        sign = -1 if self.higher_is_better else 1
        ranked = [self._ranked(label) for label in labels]
        return sorted(ranked, key=lambda r: (math.isnan(r.score.mean), sign * r.score.mean))

    def best(self) -> RankedRecipe | None:
        """The recipe with the best mean score; none where no run was finished."""
        ranking = [r for r in self.ranking() if r.score.n]
        return ranking[0] if ranking else None

    def verdict(self) -> Verdict | None:
        """The verdict on the plain network, that of most seeds."""
        verdicts = [o.verdict for o in self.of(PLAIN) if o.verdict]
        if not verdicts:
            return None
        most = Counter(v.label for v in verdicts).most_common(1)[0][0]
        return next(v for v in verdicts if v.label == most)

    def estimate(self, scores: Sequence[float], part: str) -> Estimate:
        """Mean and interval of scores over seeds on a part, within the metric's bounds."""
        interval = self._interval(scores, part)
        return interval.within(0.0, 1.0) if self.metric in UNIT else interval

    def _interval(self, values: Sequence[float], part: str) -> Estimate:
        # Only a metric that counts rows moves in steps of 1/rows; the others are as exact as they look.
        counted = self.rows[part] if self.metric in COUNTS else 0
        return corrected_interval(values, self.rows[part] / self.rows["train"], counted)

    def _ranked(self, label: str) -> RankedRecipe:
        trials = [o for o in self.of(label) if o.run is not None]
        differences = paired({o.seed: o.score for o in trials}, {o.seed: o.score for o in self.of(PLAIN) if o.run})
        better = [d for d in differences if (d > 0) == self.higher_is_better and d != 0]
        labels = Counter(o.verdict.label for o in trials if o.verdict)
        return RankedRecipe(
            self.of(label)[0].candidate,
            self.estimate([o.score for o in trials], "validation"),
            None if label == PLAIN else self._interval(differences, "validation"),
            wins=len(better),
            verdict=labels.most_common(1)[0][0] if labels else "failed",
            gap=_mean([_gap(o.run, self.metric) for o in trials if o.run]),
            seconds=_mean([o.seconds for o in trials]),
            failures=len(self.of(label)) - len(trials),
        )

    def frame(self) -> pd.DataFrame:
        """The ranking as a pandas frame."""
        import pandas as pd

        rows = [
            {
                "recipe": r.candidate.label, "mean": r.score.mean, "low": r.score.low, "high": r.score.high,
                "difference": r.difference.mean if r.difference else math.nan,
                "difference_low": r.difference.low if r.difference else math.nan,
                "difference_high": r.difference.high if r.difference else math.nan,
                "wins": r.wins, "seeds": r.score.n, "verdict": r.verdict, "gap": r.gap, "seconds": r.seconds,
            }
            for r in self.ranking()
        ]  # fmt: skip
        return pd.DataFrame(rows)


def build_trial(candidate: Candidate, seed: int, run: Run, scores: tuple[float, float], seconds: float) -> Trial:
    """The trial of a finished run: its score and loss on the validation part, and its verdict."""
    return Trial(candidate, seed, *scores, seconds, run, diagnose(run))


def _gap(run: Run, name: str) -> float:
    return run.row[f"train_{name}"] - run.row[f"stop_{name}"] if run.epochs else math.nan


def _mean(values: Sequence[float]) -> float:
    kept = [v for v in values if math.isfinite(v)]
    return sum(kept) / len(kept) if kept else math.nan
