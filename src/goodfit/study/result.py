"""The result of a study: the score of every run, and the ranking of the recipes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from goodfit.data import TaskSpec, metric
from goodfit.data.metrics import BOUNDED
from goodfit.diagnosis import RUN_A_STUDY, Verdict, diagnose
from goodfit.errors import InputError
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.statistics import BETTER, UNKNOWN, Estimate, corrected_interval, paired, significance
from goodfit.train.config import Training
from goodfit.train.run import Run

if TYPE_CHECKING:
    import pandas as pd


COUNT_METRICS = ("accuracy", "balanced_accuracy", "f1_macro")
"""Metrics that count rows: accuracy moves in steps of 1/rows, the others in steps that are 1/rows on average."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One recipe trained with one seed, and its score and loss on the validation part.

    If training failed, `run` is None, `failure` says why, and score and loss are NaN.
    """

    candidate: Candidate
    seed: int
    score: float
    loss: float
    seconds: float
    run: Run | None = None
    verdict: Verdict | None = None
    failure: str = ""

    def row(self) -> dict[str, Any]:
        """Return the row of `runs.csv` as plain values."""
        return {
            "recipe": self.candidate.label, "text": self.candidate.recipe.text(), "seed": self.seed,
            "score": self.score, "loss": self.loss, "verdict": self.verdict.label if self.verdict else "",
            "epochs": self.run.epochs if self.run else 0, "kept_epoch": self.run.kept_epoch if self.run else 0,
            "seconds": self.seconds, "stopped": self.failure or (self.run.stopped if self.run else ""),
        }  # fmt: skip


@dataclass(frozen=True)
class RankedRecipe:
    """A recipe of the ranking, with means over its seeds.

    Attributes:
        candidate: the recipe and its label.
        score: the validation score with its interval.
        difference: the paired difference from the plain network with its interval; None for the plain network itself.
        wins: the number of seeds in which the recipe is better than the plain network.
        verdict: the most frequent verdict of its runs, or "failed" if none was diagnosed.
        gap: the train metric minus the stop metric at the kept epoch.
        seconds: the training time of a run.
        failures: the number of runs that failed.
    """

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
    """The trials of a study and what follows from them: ranking, best recipe, verdict and test scores.

    `rows` counts the rows of each data part. `test` holds the test scores of the plain network and of the best recipe,
    which are measured once, at the end.
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
        """Whether a higher metric is better."""
        return metric(self.metric).higher_is_better

    def trials_of(self, label: str) -> list[Trial]:
        """Return the trials of a recipe in the order of the seeds."""
        return [trial for trial in self.trials if trial.candidate.label == label]

    def run_of(self, label: str) -> Run:
        """Return the first run of a recipe that did not fail.

        Raises:
            InputError: the study has no such recipe, or all of its runs failed.
        """
        trials = self.trials_of(label)
        if not trials:
            labels = ", ".join(dict.fromkeys(f"'{trial.candidate.label}'" for trial in self.trials))
            raise InputError(f"study: the recipe must be one of {labels}, got '{label}'; use a label of the ranking.")
        for trial in trials:
            if trial.run is not None:
                return trial.run
        raise InputError(f"study: run_of needs a finished run, but all of '{label}' failed ({trials[0].failure}).")

    def ranking(self) -> list[RankedRecipe]:
        """Return the recipes, best mean score first; recipes without a finished run come last."""
        labels = list(dict.fromkeys(trial.candidate.label for trial in self.trials))
        sign = -1 if self.higher_is_better else 1
        ranked = [self._ranked(label) for label in labels]
        return sorted(ranked, key=lambda r: (math.isnan(r.score.mean), sign * r.score.mean))

    def best(self) -> RankedRecipe | None:
        """Return the recipe with the best mean score, or None if no run was finished."""
        ranking = [r for r in self.ranking() if r.score.n]
        return ranking[0] if ranking else None

    def verdict(self) -> Verdict | None:
        """Return the most frequent verdict on the plain network, or None if none of its runs was finished."""
        verdicts = [trial.verdict for trial in self.trials_of(PLAIN) if trial.verdict]
        if not verdicts:
            return None
        label = Counter(v.label for v in verdicts).most_common(1)[0][0]
        verdict = next(v for v in verdicts if v.label == label)
        steps = tuple(self._regularize() if step == RUN_A_STUDY else step for step in verdict.next_steps)
        return replace(verdict, next_steps=steps)

    def significance(self, ranked: RankedRecipe) -> str:
        """Compare a recipe with the plain network: "better", "worse", "inconclusive" or "unknown"."""
        d = ranked.difference
        return UNKNOWN if d is None else significance(d.low, d.high, self.higher_is_better)

    def _regularize(self) -> str:
        """Return the next step against overfitting that follows from this study."""
        for ranked in self.ranking():
            if self.significance(ranked) == BETTER:
                return f"Regularize: use {ranked.candidate.label}, which is significantly better than plain."
        return "Regularize: use more seeds or other recipes, because none is significantly better than plain."

    def estimate(self, scores: Sequence[float], part: str) -> Estimate:
        """Return the mean and interval of scores on a data part over seeds, clipped to the range of the metric."""
        interval = self._interval(scores, part)
        return interval.within(0.0, 1.0) if self.metric in BOUNDED else interval

    def _interval(self, values: Sequence[float], part: str) -> Estimate:
        counts_rows = self.metric in COUNT_METRICS and self.spec.task == "classification"  # of masks, it counts pixels
        counted = self.rows[part] if counts_rows else 0
        return corrected_interval(values, self.rows[part] / self.rows["train"], counted)

    def _ranked(self, label: str) -> RankedRecipe:
        trials = [trial for trial in self.trials_of(label) if trial.run is not None]
        plain = [trial for trial in self.trials_of(PLAIN) if trial.run is not None]
        differences = paired({t.seed: t.score for t in trials}, {t.seed: t.score for t in plain})
        better = [d for d in differences if (d > 0) == self.higher_is_better and d != 0]
        labels = Counter(trial.verdict.label for trial in trials if trial.verdict)
        return RankedRecipe(
            self.trials_of(label)[0].candidate,
            self.estimate([trial.score for trial in trials], "validation"),
            None if label == PLAIN else self._interval(differences, "validation"),
            wins=len(better),
            verdict=labels.most_common(1)[0][0] if labels else "failed",
            gap=_mean([_gap(trial.run, self.metric) for trial in trials if trial.run]),
            seconds=_mean([trial.seconds for trial in trials]),
            failures=len(self.trials_of(label)) - len(trials),
        )

    def frame(self) -> pd.DataFrame:
        """Return the ranking as a data frame with one row per recipe, best first."""
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
    """Return the trial of a finished run, with its verdict; `scores` are metric and loss on the validation part."""
    return Trial(candidate, seed, *scores, seconds, run, diagnose(run))


def _gap(run: Run, name: str) -> float:
    return run.row[f"train_{name}"] - run.row[f"stop_{name}"] if run.epochs else math.nan


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return sum(finite) / len(finite) if finite else math.nan
