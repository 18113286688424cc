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

import torch
from torch import nn

from goodfit.data import TaskSpec
from goodfit.data.metrics import BOUNDED
from goodfit.diagnosis import RUN_A_STUDY, Verdict
from goodfit.errors import InputError
from goodfit.store import load_run
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.definition import Definition
from goodfit.study.evidence import Evidence, evidence
from goodfit.study.fits import Fit
from goodfit.study.scores import REPORTED, Scorer, base_metric, check_task_metric
from goodfit.study.stages import ABLATE, COMPARE, SCREEN, SHORT
from goodfit.study.statistics import UNKNOWN, Estimate, Score, mean_score, significance, within_unit_range
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
        fits: the finished fits by which recipes are compared, fold by fold.
        screening: the finished fits of a search; they choose recipes and are no evidence.
        ablations: the finished fits of the recommended recipe without one of its techniques.
        metric: the metric of the ranking.
        interrupted: whether Ctrl-C ended it.
        runs: trained networks by label and fold, in memory or as folders.
        model: the user's own network, into which `run_of` loads stored weights.
        messages: what happened while it ran.
        search_notes: what a search reports about itself when it ends.
    """

    definition: Definition
    targets: Targets
    fits: list[Fit] = field(default_factory=list)
    metric: str = ""
    interrupted: bool = False
    runs: dict[tuple[str, int, int], Run | Path] = field(default_factory=dict)
    model: nn.Module | None = None
    messages: list[str] = field(default_factory=list)
    screening: list[Fit] = field(default_factory=list)
    ablations: list[Fit] = field(default_factory=list)
    search_notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Rank by the metric of the definition."""
        self.metric = self.metric or self.definition.metric

    def __repr__(self) -> str:
        done = f"{len(self.fits)} of {self.expected_fits} fits"
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
        unfinished = f"{len(self.fits)} of {self.expected_fits} fits are finished"
        return [*self.definition.notes, *self.search_notes, *self.messages, *([] if self.complete else [unfinished])]

    @property
    def candidates(self) -> list[Candidate]:
        """The compared recipes: those of the definition, the plain network first, then those that a search chose."""
        chosen = {fit.candidate for fit in self.fits} - set(self.definition.candidates)
        return [*self.definition.candidates, *sorted(chosen, key=lambda candidate: candidate.label)]

    @property
    def labels(self) -> list[str]:
        """The labels of the compared recipes, in their order."""
        return [candidate.label for candidate in self.candidates]

    @property
    def expected_fits(self) -> int:
        """The number of fits by which all recipes are compared."""
        return len(self.candidates) * self.definition.fits_per_candidate

    @property
    def complete(self) -> bool:
        """Whether all fits by which recipes are compared are finished."""
        return len(self.fits) == self.expected_fits

    def add(self, fit: Fit) -> None:
        """Add a finished fit."""
        by_stage = {COMPARE: self.fits, ABLATE: self.ablations}
        by_stage.get(fit.stage, self.screening).append(fit)

    def sort(self) -> None:
        """Put the fits in the order of folds and recipes."""
        order = {label: number for number, label in enumerate(self.labels)}
        for fits in (self.fits, self.screening, self.ablations):
            fits.sort(key=lambda fit: (fit.key, order.get(fit.label, len(order)), fit.label))

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher metric is better."""
        return base_metric(self.metric).higher_is_better

    def higher_is_better_in(self, name: str) -> bool:
        """Whether a higher value of a metric is better."""
        return base_metric(name).higher_is_better

    def smallest_variance(self, label: str, name: str = "") -> float:
        """The variance of a recipe's difference from the plain network, at least: that of one row that differs.

        Of a metric that counts rows, the jackknife variance is 0 if no row differs by chance.
        """
        fits = self._usable(label)
        return 2 * self._scorer.smallest_variance(fits, name or self.metric, "validation")

    def is_complete(self, label: str) -> bool:
        """Whether all fits of a recipe finished and can be scored."""
        return len(self._usable(label)) == self.definition.fits_per_candidate

    @property
    def validation_share(self) -> float:
        """Validation rows as a share of the training rows of a fit."""
        return self.rows["validation"] / max(1, self.rows["train"])

    def with_metric(self, name: str) -> Study:
        """The same study, ranked by another metric; nothing is trained.

        Raises:
            InputError: the metric cannot be computed for this task.
        """
        check_task_metric(name, self.spec)
        return replace(self, metric=name)

    def fits_of(self, label: str) -> list[Fit]:
        """The fits by which a recipe is compared, fold by fold."""
        return [fit for fit in self.fits if fit.label == label]

    def fits_by_label(self) -> dict[str, list[Fit]]:
        """The fits by which each recipe is compared."""
        fits: dict[str, list[Fit]] = {}
        for fit in self.fits:
            fits.setdefault(fit.label, []).append(fit)
        return fits

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

    def recommended(self) -> Candidate:
        """The recipe to use: one that is sure or likely to predict better, or else the plain network.

        If all fits of the plain network failed, it is the recipe with the best score.
        """
        best = self.evidence().recommended
        leader = self.best() if best is None and not self._usable(PLAIN) else None
        if best or leader:
            return best.candidate if best else leader.candidate  # type: ignore[union-attr]
        return next(c for c in self.candidates if c.label == PLAIN)

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
        """Compare a recipe alone with the plain network: "better", "worse", "inconclusive" or "unknown"."""
        d = ranked.difference
        return UNKNOWN if d is None else significance(d.low, d.high, self.higher_is_better)

    def _regularize(self) -> str:
        """The next step against overfitting that follows from this study."""
        best = self.evidence().recommended
        if best is not None:
            return f"Regularize: use {best.candidate.label}, which is {best.confidence} to predict better."
        return "Regularize: use more rows, repeats or other recipes, because none is shown to predict better."

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
        return mean_score(self.paired_scores(label, name, part, baseline), len(self._pairs(label, baseline)[0]))

    def paired_scores(self, label: str, name: str = "", part: str = "validation", baseline: str = PLAIN) -> list[Score]:
        """The paired differences of a recipe from another one, with the influences of rows; see `difference`."""
        scores = (self._scorer.scores(each, name or self.metric, part) for each in self._pairs(label, baseline))
        return [a - b for a, b in zip(*scores, strict=True)]

    def difference_of(self, fits: Sequence[Fit], others: Sequence[Fit]) -> Estimate:
        """The mean paired difference of fits from others on the same folds, in the same order."""
        scores = (self._scorer.scores(each, self.metric, "validation") for each in (fits, others))
        return mean_score([a - b for a, b in zip(*scores, strict=True)], len(fits))

    def alike(self, candidate: Candidate, fits: Sequence[Fit]) -> list[Fit]:
        """The usable ones of some fits whose recipe and settings are those of a candidate, whatever its label."""
        settings = candidate.settings(self.training)
        own = [f for f in fits if f.candidate.recipe == candidate.recipe]
        return [f for f in own if f.candidate.settings(self.training) == settings and self._scorer.is_usable(f)]

    def screened_gain(self, candidate: Candidate) -> float:
        """How much better a recipe was than the plain network when it was screened; NaN if it was not."""
        plain = {fit.key: self.value(fit) for fit in self.screening if fit.label == PLAIN}
        own = [self.value(fit) - plain[fit.key] for fit in self.alike(candidate, self.screening) if fit.key in plain]
        return (1 if self.higher_is_better else -1) * sum(own) / len(own) if own else math.nan

    def fold_differences(self, label: str, name: str = "") -> list[float]:
        """The difference of a recipe from the plain network on each fold that both have finished."""
        pairs = zip(*self._pairs(label, PLAIN), strict=True)
        return [self.value(fit, name) - self.value(other, name) for fit, other in pairs]

    def value(self, fit: Fit, name: str = "") -> float:
        """The validation score of a fit; NaN if training failed or it is not defined."""
        return self._scorer.value(fit, name or self.metric, "validation")

    @property
    def trials(self) -> int:
        """The number of recipes with settings that a search has screened."""
        begun, continued = ({f.candidate for f in self.screening if f.stage == stage} for stage in (SHORT, SCREEN))
        if begun:  # later fits of these trials have more epochs
            fixed = {candidate for candidate in self.definition.candidates if candidate in continued}
            return len(begun) - 1 + max(0, len(fixed) - 1)
        return max(0, len(continued) - 1)

    @property
    def scored_rows(self) -> int:
        """The number of different rows on which recipes are compared."""
        own = self.fits_of(PLAIN)
        rows = [fit.predictions["validation"].rows for fit in own if not fit.failure]
        return len(torch.cat(rows).unique()) if rows else 0

    def plain_score(self, name: str = "") -> float:
        """The mean score of the plain network."""
        return self.estimate(PLAIN, name).mean

    def evidence(self, name: str = "") -> Evidence:
        """How sure it is that each recipe is better than the plain network.

        `name`: the metric; "" for that of the ranking.
        """
        key = name or self.metric, len(self.fits)
        if key not in self._evidence:
            self._evidence[key] = evidence(self, name)
        return self._evidence[key]

    @cached_property
    def _evidence(self) -> dict[tuple[str, int], Evidence]:
        """Computed evidence by metric and number of fits."""
        return {}

    def test_scores(self) -> dict[str, Estimate]:
        """The test scores of the plain network and of the recommended recipe, or else of the one that gained most.

        Empty as long as fits are missing.
        """
        if not self.complete:
            return {}
        gained = self.evidence().best
        leader = self.best() if gained is None else None  # the plain network failed: the best of the others
        best = gained.candidate if gained else leader.candidate if leader else self.candidates[0]
        labels = dict.fromkeys((PLAIN, best.label))
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
        gains = self.fold_differences(label)
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
