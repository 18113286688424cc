"""The result of a study: the scores of its fits, and the ranking of the recipes."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from goodfit.data import TaskSpec
from goodfit.data.metrics import BOUNDED
from goodfit.diagnosis import RUN_A_STUDY, Verdict
from goodfit.errors import InputError
from goodfit.store import load_run
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.definition import Definition
from goodfit.study.fits import Fit
from goodfit.study.scores import REPORTED, Scorer, base_metric, check_task_metric
from goodfit.study.statistics import BETTER, UNKNOWN, Estimate, mean_score, significance, within_unit_range
from goodfit.study.targets import Targets
from goodfit.train.config import Training
from goodfit.train.run import Run

if TYPE_CHECKING:
    import pandas as pd

LOG = logging.getLogger("goodfit")


@dataclass(frozen=True)
class RankedRecipe:
    """A recipe of the ranking, with means over its fits.

    Attributes:
        candidate: the recipe and its label.
        score: the validation score with its interval.
        difference: the paired difference from the plain network with its interval; None for the plain network itself.
        wins: the number of fits that are better than the plain network on the same fold.
        verdict: the most frequent verdict of its fits, or "failed" if none was diagnosed.
        gap: the train metric minus the stop metric at the kept epoch.
        seconds: the training time of a fit.
        failures: the number of fits that failed.
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
    """The fits of a study and what follows from them: ranking, best recipe, verdict and test scores.

    Attributes:
        definition: data, network, settings, protocol and recipes.
        targets: the targets of the rows outside the test part, and of the test part.
        fits: the finished fits, fold by fold.
        metric: the metric of the ranking.
        interrupted: whether Ctrl-C ended it.
        runs: trained networks by label and fold, in memory or as folders.
        model: the user's own network, into which `run_of` loads stored weights.
        messages: what happened while it ran.
    """

    definition: Definition
    targets: Targets
    fits: list[Fit] = field(default_factory=list)
    metric: str = ""
    interrupted: bool = False
    runs: dict[tuple[str, int, int], Run | Path] = field(default_factory=dict)
    model: nn.Module | None = None
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Rank by the metric of the definition."""
        self.metric = self.metric or self.definition.metric

    def __repr__(self) -> str:
        done = f"{len(self.fits)} of {self.definition.fits} fits"
        best = self.best()
        leader = f", best: {best.candidate.label} ({self.metric} {best.score.mean:.4f})" if best else ""
        return f"Study({self.name}: {len(self.labels)} recipes, {done}{leader})"

    def say(self, text: str) -> None:
        """Keep and show a message about the course of the study."""
        self.messages.append(text)
        LOG.warning("goodfit: %s", text)

    @property
    def name(self) -> str:
        """The name of the data."""
        return self.definition.name

    @property
    def spec(self) -> TaskSpec:
        """The task."""
        return self.definition.spec

    @property
    def network(self) -> str:
        """The text of the reference network, or the class of the user's own."""
        return self.definition.network

    @property
    def training(self) -> Training:
        """The training settings."""
        return self.definition.training

    @property
    def rows(self) -> Mapping[str, int]:
        """The number of rows of each part of a fold."""
        return self.definition.rows

    @property
    def notes(self) -> list[str]:
        """What a reader must know."""
        unfinished = f"{len(self.fits)} of {self.definition.fits} fits are finished"
        return [*self.definition.notes, *self.messages, *([] if self.complete else [unfinished])]

    @property
    def labels(self) -> list[str]:
        """The labels of the recipes, in their order; the plain network is the first."""
        return [candidate.label for candidate in self.definition.candidates]

    @property
    def complete(self) -> bool:
        """Whether all fits are finished."""
        return len(self.fits) == self.definition.fits

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher metric is better."""
        return base_metric(self.metric).higher_is_better

    def with_metric(self, name: str) -> Study:
        """The same study, ranked by another metric; nothing is trained.

        Raises:
            InputError: the metric cannot be computed for this task.
        """
        check_task_metric(name, self.spec)
        return replace(self, metric=name)

    def fits_of(self, label: str) -> list[Fit]:
        """The fits of a recipe, fold by fold."""
        return [fit for fit in self.fits if fit.label == label]

    def run_of(self, label: str) -> Run:
        """The run of the first fold of a recipe that did not fail; a study keeps the network of no other fold.

        Raises:
            InputError: the study has no such recipe, all of its fits failed, or its network is not kept.
            NetworkNeeded: the network is the user's own, and the study was loaded without it.
        """
        if label not in self.labels:
            labels = ", ".join(f"'{each}'" for each in self.labels)
            raise InputError(f"study: the recipe must be one of {labels}, got '{label}'; use a label of the ranking.")
        for (own, *_), run in sorted(self.runs.items(), key=lambda item: item[0]):
            if own == label:
                return run if isinstance(run, Run) else load_run(run, self.model)
        fits = self.fits_of(label)
        reason = fits[0].failure if fits and fits[0].failure else "its first fold is not finished"
        raise InputError(f"study: run_of needs a finished fit of the first fold, got none of '{label}' ({reason}).")

    def ranking(self) -> list[RankedRecipe]:
        """The recipes, best mean score first.

        Recipes with fewer fits than others come later, because means over different folds cannot be compared.
        """
        sign = -1 if self.higher_is_better else 1
        ranked = [self._ranked(label) for label in self.labels if self.fits_of(label)]
        return sorted(ranked, key=lambda r: (-r.score.n, math.isnan(r.score.mean), sign * r.score.mean))

    def best(self) -> RankedRecipe | None:
        """The recipe with the best mean score, or None if no fit was finished."""
        ranking = [r for r in self.ranking() if r.score.n]
        return ranking[0] if ranking else None

    def leader(self) -> tuple[str, float] | None:
        """The label and mean score of the best recipe so far, of those with the most fits; quicker than `best`."""
        scores: dict[str, list[float]] = {}
        for fit in self.fits:
            value = self.value(fit)
            if math.isfinite(value):
                scores.setdefault(fit.label, []).append(value)
        most = max(map(len, scores.values()), default=0)
        means = {label: sum(values) / most for label, values in scores.items() if len(values) == most}
        best = max if self.higher_is_better else min
        return best(means.items(), key=lambda item: item[1]) if means else None

    def verdict(self) -> Verdict | None:
        """The most frequent verdict on the plain network, or None if none of its fits was finished."""
        verdicts = [fit.verdict for fit in self.fits_of(PLAIN) if fit.verdict]
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
        """The next step against overfitting that follows from this study."""
        for ranked in self.ranking():
            if self.significance(ranked) == BETTER:
                return f"Regularize: use {ranked.candidate.label}, which is significantly better than plain."
        return "Regularize: use more rows, repeats or other recipes, because none is significantly better than plain."

    # ---- estimates --------------------------------------------------------------------------------------

    def estimate(self, label: str, name: str = "", part: str = "validation") -> Estimate:
        """The mean score of a recipe on a part, with its interval within the range of the metric.

        `name`: the metric; "" for that of the ranking.
        """
        name, fits = name or self.metric, self._usable(label)
        smallest = self._scorer.smallest_variance(fits, name, part)
        interval = mean_score(self._scorer.scores(fits, name, part), len(fits), smallest)
        if name not in BOUNDED:
            return interval
        return within_unit_range(interval, sum(len(fit.predictions[part].rows) for fit in fits))

    def difference(self, label: str, name: str = "", part: str = "validation", baseline: str = PLAIN) -> Estimate:
        """The mean paired difference of a recipe from another one, over the folds that both have finished.

        `name`: the metric; "" for that of the ranking.
        """
        name, (fits, others) = name or self.metric, self._pairs(label, baseline)
        scores = (self._scorer.scores(each, name, part) for each in (fits, others))
        return mean_score([a - b for a, b in zip(*scores, strict=True)], len(fits))

    def value(self, fit: Fit) -> float:
        """The validation score of a fit; NaN if training failed or it is not defined."""
        return self._scorer.value(fit, self.metric, "validation")

    def test_scores(self) -> dict[str, Estimate]:
        """The test scores of the plain network and the best recipe; empty as long as fits are missing."""
        best = self.best()
        if not self.complete or best is None:
            return {}
        labels = dict.fromkeys((PLAIN, best.candidate.label))
        estimates = {label: self.estimate(label, part="test") for label in labels}
        return {label: estimate for label, estimate in estimates.items() if estimate.n}

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.targets)

    def _usable(self, label: str) -> list[Fit]:
        return [fit for fit in self.fits_of(label) if self._scorer.is_usable(fit)]

    def _pairs(self, label: str, baseline: str) -> tuple[list[Fit], list[Fit]]:
        """The fits of two recipes on the folds that both have finished, in the same order."""
        own, others = ({fit.key: fit for fit in self._usable(each)} for each in (label, baseline))
        both = [key for key in own if key in others]
        return [own[key] for key in both], [others[key] for key in both]

    def _ranked(self, label: str) -> RankedRecipe:
        fits = self.fits_of(label)
        finished = [fit for fit in fits if not fit.failure]
        gains = [self.value(fit) - self.value(other) for fit, other in zip(*self._pairs(label, PLAIN), strict=True)]
        verdicts = Counter(fit.verdict.label for fit in finished if fit.verdict)
        return RankedRecipe(
            fits[0].candidate,
            self.estimate(label),
            None if label == PLAIN else self.difference(label),
            wins=sum(d > 0 if self.higher_is_better else d < 0 for d in gains),
            verdict=verdicts.most_common(1)[0][0] if verdicts else "failed",
            gap=_mean([fit.gap for fit in finished]),
            seconds=_mean([fit.seconds for fit in finished]),
            failures=len(fits) - len(finished),
        )

    # ---- tables -----------------------------------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """The ranking as a data frame with one row per recipe, best first."""
        import pandas as pd

        rows = [
            {
                "recipe": r.candidate.label, **_columns(r.score, r.difference), "wins": r.wins, "fits": r.score.n,
                "verdict": r.verdict, "gap": r.gap, "seconds": r.seconds,
            }
            for r in self.ranking()
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def metrics_frame(self, labels: Sequence[str] = ()) -> pd.DataFrame:
        """All metrics of the task for some recipes (by default all): one row per recipe and metric, with intervals."""
        import pandas as pd

        rows = []
        for label in labels or self.labels:
            for name in REPORTED[self.spec.task]:
                difference = None if label == PLAIN else self.difference(label, name)
                rows.append({"recipe": label, "metric": name, **_columns(self.estimate(label, name), difference)})
        return pd.DataFrame(rows)

    def fits_frame(self) -> pd.DataFrame:
        """One row per fit: recipe, fold, seed, score, loss, verdict, epochs and time."""
        import pandas as pd

        return pd.DataFrame([self._fit_row(fit) for fit in self.fits])

    def _fit_row(self, fit: Fit) -> dict[str, Any]:
        return {
            "recipe": fit.label, "text": fit.candidate.recipe.text(), "repeat": fit.repeat, "fold": fit.fold,
            "seed": fit.seed, "score": self.value(fit), "loss": fit.loss,
            "verdict": fit.verdict.label if fit.verdict else "", "epochs": len(fit.history),
            "kept_epoch": fit.kept_epoch, "seconds": fit.seconds, "stopped": fit.failure or fit.stopped,
        }  # fmt: skip


def _columns(score: Estimate, difference: Estimate | None) -> dict[str, float]:
    d = difference or Estimate(math.nan, math.nan, math.nan, 0)
    return {
        "mean": score.mean, "low": score.low, "high": score.high,
        "difference": d.mean, "difference_low": d.low, "difference_high": d.high,
    }  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return sum(finite) / len(finite) if finite else math.nan
