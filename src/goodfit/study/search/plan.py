"""The stages of a study with a search: screening, comparison of finalists, ablation and sweeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from goodfit.data.metrics import BOUNDED
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.design import Design
from goodfit.study.explained import ablation
from goodfit.study.result import Study
from goodfit.study.rounds import Clock, Key, Round
from goodfit.study.search.budget import Budget, duration
from goodfit.study.search.costs import Costs
from goodfit.study.search.screening import Screening
from goodfit.study.search.trials import short_training
from goodfit.study.search.variants import sweep, without_each
from goodfit.study.sentence import count
from goodfit.study.stages import ABLATE, COMPARE, SCREEN, SHORT, SWEEP

FINALISTS = 5
"""Recipes that are compared after the screening, at most."""
ENOUGH_TRIALS, PATIENCE = 120, 80
"""The screening ends after so many trials if the last `PATIENCE` of them were not better than an earlier one."""
USEFUL_TRIALS = 60
"""Trials of a screening that can answer; a budget for fewer is reported as too small."""
WHOLE_PER_FINALIST = 2
"""Trials that are trained on all folds for each finalist, at least."""
FITS_PER_TRIAL, SHORTENED_FITS_PER_TRIAL = 2.5, 1.5
"""Fits of a screening per trial, at most, without and with short fits: promising trials are trained on several folds,
and no round is interrupted."""
END_SHARE = 0.6
"""Share of a budget of time for the end of the screening and the comparison; if they take longer, there are fewer
finalists."""
SWEEP_FOLDS, SWEPT = 2, 4
"""Folds on which each strength of a sweep is trained, and strengths that are varied: those that contribute most."""


@dataclass(eq=False)
class SearchPlan:
    """Decides on round after round. Its decisions follow from the finished fits, the past rounds and the clock.

    Attributes:
        fixed: the candidates that are compared in any case; the plain network is the first.
        rounds: the past rounds, which the trainer adds.
        processes: how many fits are trained at the same time.
    """

    study: Study
    design: Design
    screening: Screening
    fixed: Sequence[Candidate]
    budget: Budget
    clock: Clock
    rounds: list[Round]
    processes: int = 1

    def decide(self) -> Round | None:
        """The next round; None: the study ends."""
        stages = [each.stage for each in self.rounds]
        decided = None
        if not stages or stages[-1] in (SCREEN, SHORT):
            decided = self._screen() or self._compare()
        elif stages[-1] == COMPARE:
            decided = self._ablate() or self._sweep() or self._extend()
        elif stages[-1] == ABLATE:
            decided = self._sweep() or self._extend()
        else:
            decided = self._extend()
        return decided

    def messages(self) -> list[str]:
        """What the user should know about the search."""
        screening = self.screening
        perfect = f"the plain network has the best possible {self.study.metric}, so nothing was searched"
        lines = [perfect] if self._cannot_improve() else self._budget_warning()
        failed = {fit.label: fit.failure for fit in (*self.study.screening, *self.study.fits) if fit.failure}
        if failed:
            label, reason = next(iter(failed.items()))
            lines.append(f"training failed with {count(len(failed), 'recipe')}, for instance with {label}: {reason}")
        if own := screening.without_effect():
            within = f" within {short_training(self.study.training).epochs} epochs" if screening.shortens else ""
            lines.append(f"no effect at this strength{within}: {', '.join(own)}")
        searched = len(screening.trials()) >= len(self.fixed)  # more than the fixed recipes
        wider = screening.space.widenings(screening.current_space()) if searched else []
        return lines + ([f"ranges that were widened: {', '.join(wider)}"] if wider else [])

    # ---- time -------------------------------------------------------------------------------------------

    @cached_property
    def _costs(self) -> Costs:
        return Costs(self.study, self.budget, self.clock, self.rounds, self.processes)

    def _cost(self, decided: Round | None) -> float:
        """Seconds for a round; 0 for None."""
        return self._costs.of(candidate for candidate, _ in decided.fits) if decided else 0.0

    def _compare_cost(self, finalists: Sequence[Candidate]) -> float:
        """Seconds for the comparison of the fixed candidates and the finalists."""
        return len(self.design.folds) * self._costs.of([*self.fixed, *finalists])

    def _end(self) -> tuple[int, float]:
        """How many finalists the budget allows, and the seconds from the end of the search on."""
        for finalists in range(FINALISTS, 0, -1):
            last = self.screening.last_round(WHOLE_PER_FINALIST * finalists)
            seconds = self._compare_cost([self.fixed[0]] * finalists) + self._cost(last)  # with the usual epochs
            if seconds <= END_SHARE * self.budget.seconds:
                break
        return finalists, seconds

    # ---- stages -----------------------------------------------------------------------------------------

    def _screen(self) -> Round | None:
        if not self.rounds and math.isfinite(self.budget.seconds):
            return self._noted(self.screening.first_fit(), "first fit")
        starters = min(self.budget.trials / 2, self.budget.trials - (len(self.fixed) - 1))
        first = self.screening.first_rounds(max(0, starters))
        if first is not None and (not self.rounds or self._may_screen(first)):
            return self._noted(first, "screening")
        trials = self.screening.trials()
        if first is None and self._goes_on(len(trials)):
            most = self.budget.trials - len(trials)
            next_round = self.screening.next_round(most)
            if next_round is not None and self._may_screen(next_round):
                return self._noted(next_round, f"screening, {len(trials)} trials so far")
        last = self.screening.last_round(WHOLE_PER_FINALIST * self._end()[0])
        if last is not None and self._may_finish(last):
            return self._noted(last, f"screening, best of {len(trials)} trials")
        return None

    def _may_screen(self, following: Round) -> bool:
        """Whether the budget allows the round, and afterwards the comparison."""
        if self._cannot_improve():
            return False
        return self._cost(following) + self._end()[1] <= self._costs.left

    def _may_finish(self, last: Round) -> bool:
        return not self._cannot_improve() and self._cost(last) + self._compare_cost(self.fixed[:1]) <= self._costs.left

    def _goes_on(self, count: int) -> bool:
        """Whether more trials may find something better."""
        if count >= self.budget.trials:
            return False
        if math.isfinite(self.budget.trials):
            return True
        best = self.screening.best()
        order = [t.candidate for t in self.screening.trials()]
        since = count - order.index(best.candidate) if best else count
        return count < ENOUGH_TRIALS or since <= PATIENCE

    def _cannot_improve(self) -> bool:
        """Whether the plain network makes no error on the folds for screening."""
        values = [self.study.value(fit) for fit in self.study.screening if fit.label == PLAIN]
        metric = self.study.metric
        perfect = metric in BOUNDED and self.study.higher_is_better and len(values) >= len(self.screening.folds)
        return perfect and min(values) >= 1.0

    def _compare(self) -> Round | None:
        """The comparison of the finalists, limited by the budget."""
        finalists, left = self.screening.finalists(FINALISTS), self._costs.left
        while finalists and self._compare_cost(finalists) > left:
            finalists.pop()
        candidates, folds = [*self.fixed, *finalists], [fold.key for fold in self.design.folds]
        if self._compare_cost(finalists) > left:  # what is affordable, but at least a fit of the plain network
            fits = left / self._costs.per_fit if self._costs.per_fit else 0.0
            candidates, folds = candidates[: max(1, int(fits))], folds[: max(1, int(fits / len(self.fixed)))]
        return self._noted(Round.product(COMPARE, candidates, folds), f"comparing {count(len(candidates), 'recipe')}")

    def _budget_warning(self) -> list[str]:
        """What budget would be enough, if this one was too small."""
        study, trials = self.study, len(self.screening.trials())
        if math.isinf(self.budget.seconds) or study.interrupted:
            return []
        if study.complete and (trials >= USEFUL_TRIALS or self.screening.next_round(1) is None):
            return []
        folds = len(self.design.folds)
        per_trial = SHORTENED_FITS_PER_TRIAL if self.screening.shortens else FITS_PER_TRIAL
        fits = per_trial * USEFUL_TRIALS + (len(self.fixed) + FINALISTS) * folds
        needed, seconds = math.ceil(self._costs.per_fit * fits / 10) * 10, self._costs.training_seconds()
        trained = f" (a fit trains for {seconds:.2g} s)" if math.isfinite(seconds) else ""
        did = f"{count(trials, 'recipe')} screened" if study.complete else "not all fits could be trained"
        return [
            f"the budget of {self.budget} is small for this network and data ({did}); --budget {needed}s would be "
            f"enough for about {USEFUL_TRIALS} trials{trained}"
        ]

    def _ablate(self) -> Round | None:
        """The recommended recipe without each of its techniques, on the folds of the first repeat."""
        recommended = self.study.evidence().recommended
        variants = without_each(recommended.candidate) if recommended else []
        folds = [fold.key for fold in self.design.folds if fold.repeat == 0]
        return self._variants(ABLATE, variants, folds, "ablation")

    def _sweep(self) -> Round | None:
        """The recommended recipe with other strengths, from no effect to harm, on folds for screening."""
        recommended = self.study.evidence().recommended
        knobs = sweep(recommended.candidate) if recommended else {}
        contributions = {row["technique"]: row["contribution"] for row in ablation(self.study)}
        most = sorted(knobs, key=lambda name: -contributions.get(name.rpartition(".")[0], 0.0))[:SWEPT]
        variants = [variant for name in most for _, variant in knobs[name]]
        return self._variants(SWEEP, variants, self.screening.folds[:SWEEP_FOLDS], "sweeps")

    def _variants(self, stage: str, variants: Sequence[Candidate], folds: Sequence[Key], note: str) -> Round | None:
        """A round of variants that are not trained yet, if the budget allows it."""
        usual, study = self.study.training, self.study
        fits = (*study.fits, *study.screening, *study.ablations)
        known = {(fit.candidate.recipe, fit.candidate.settings(usual), fit.key) for fit in fits}
        pairs = [(v, key) for key in folds for v in variants if (v.recipe, v.settings(usual), key) not in known]
        decided = Round(stage, tuple(pairs))
        return self._noted(decided, note) if pairs and self._cost(decided) <= self._costs.left else None

    def _extend(self) -> Round | None:
        """Further screening, if a larger budget continues a study."""
        compared: set[tuple[Candidate, Key]] = {pair for each in self.rounds for pair in each.fits}
        further = self._screen() if self._goes_on(len(self.screening.trials())) else None
        if further is None or set(further.fits) <= compared:
            return None
        return further

    def _noted(self, decided: Round, note: str) -> Round:
        used = self.clock.used()
        share = f" ({duration(used)} of {self.budget})" if math.isfinite(self.budget.seconds) and used >= 1 else ""
        return Round(decided.stage, decided.fits, used, f"{note}{share}")
