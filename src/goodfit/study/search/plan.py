"""The stages of a study with a search: screening, comparison of finalists, ablation and sweeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from goodfit.data.metrics import BOUNDED
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.design import Design
from goodfit.study.result import Study
from goodfit.study.rounds import Clock, Key, Round
from goodfit.study.search.budget import Budget, duration
from goodfit.study.search.screening import Screening
from goodfit.study.search.trials import SHORTER
from goodfit.study.search.variants import sweep, without_each
from goodfit.study.sentence import count
from goodfit.study.stages import ABLATE, COMPARE, SCREEN, SHORT, SWEEP

FINALISTS = 5
"""Recipes that are compared after the screening, at most."""
ENOUGH_TRIALS, PATIENCE = 120, 80
"""The screening ends after so many trials if the last `PATIENCE` of them were not better than an earlier one."""
OVERHEAD = 1.25
"""The time of a fit as a multiple of its training time: it is also scored and stored."""
USEFUL_TRIALS = 60
"""Trials of a screening that can answer; a budget for fewer is reported as too small."""
WHOLE_PER_FINALIST = 2
"""Trials that are trained on all folds for each finalist, at least."""
FITS_PER_TRIAL = 2.5
"""Fits of a screening per trial, at most: promising trials are trained on several folds, and no round is cut short."""
END_SHARE = 0.6
"""Share of a budget of time for the end of the screening and the comparison; if they take longer, there are fewer
finalists."""
SWEEP_FOLDS = 2
"""Folds on which each strength of a sweep is trained."""


@dataclass(eq=False)
class SearchPlan:
    """Decides on round after round. Its decisions follow from the finished fits, the past rounds and the clock.

    Attributes:
        fixed: the candidates that are compared in any case; the plain network is the first.
        rounds: the past rounds, which the trainer adds.
        search_notes: what the user should know about the search, by topic.
    """

    study: Study
    design: Design
    screening: Screening
    fixed: Sequence[Candidate]
    budget: Budget
    clock: Clock
    rounds: list[Round]
    search_notes: dict[str, str] = field(default_factory=dict)

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
        lines = list(self.search_notes.values())
        failed = {fit.label: fit.failure for fit in (*self.study.screening, *self.study.fits) if fit.failure}
        if failed:
            label, reason = next(iter(failed.items()))
            lines.append(f"training failed with {count(len(failed), 'recipe')}, for instance with {label}: {reason}")
        lines += [f"no effect at this strength: {', '.join(own)}"] if (own := screening.without_effect()) else []
        wider = screening.space.widenings(screening.current_space())
        return lines + ([f"ranges that were widened: {', '.join(wider)}"] if wider else [])

    # ---- time -------------------------------------------------------------------------------------------

    def _seconds_per_fit(self) -> float:
        """The time of a fit: on average since the second round, or else its training time in the first one.

        The time of the first round says little, because it contains the start of processes.
        """
        study = self.study
        fits = [fit for fit in (*study.screening, *study.fits, *study.ablations) if math.isfinite(fit.seconds)]
        later = len(fits) - len(self.rounds[0].fits) if self.rounds else 0
        if later > 0:
            return (self.clock.used() - self.rounds[1].seconds) / later
        return OVERHEAD * fmean(fit.seconds for fit in fits) if fits else 0.0

    def _left(self) -> float:
        return self.budget.seconds - self.clock.used()

    def _compare_cost(self, finalists: int) -> float:
        """Seconds for the comparison of the fixed candidates and so many finalists."""
        return (len(self.fixed) + finalists) * len(self.design.folds) * self._seconds_per_fit()

    def _end(self) -> tuple[int, float]:
        """How many finalists the budget allows, and the seconds from the end of the search on."""
        for finalists in range(FINALISTS, 0, -1):
            last = self.screening.last_round(WHOLE_PER_FINALIST * finalists)
            seconds = self._compare_cost(finalists) + (len(last.fits) if last else 0) * self._seconds_per_fit()
            if seconds <= END_SHARE * self.budget.seconds:
                break
        return finalists, seconds

    # ---- stages -----------------------------------------------------------------------------------------

    def _screen(self) -> Round | None:
        starters = min(self.budget.trials / 2, self.budget.trials - (len(self.fixed) - 1))
        first = self.screening.first_rounds(max(0, starters), self._should_shorten())
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

    def _should_shorten(self) -> bool:
        """Whether too few trials with all epochs are affordable: then trials begin with fewer epochs."""
        per_fit = self._seconds_per_fit()
        if len(self.rounds) != 1 or not per_fit or self.study.training.epochs < 2 * SHORTER:
            return False
        return (self._left() - self._end()[1]) / per_fit < USEFUL_TRIALS

    def _may_screen(self, following: Round) -> bool:
        """Whether the budget allows the round, and afterwards the comparison."""
        if self._cannot_improve():
            return False
        seconds = len(following.fits) * self._seconds_per_fit()
        return seconds + self._end()[1] <= self._left()

    def _may_finish(self, last: Round) -> bool:
        seconds = len(last.fits) * self._seconds_per_fit()
        return not self._cannot_improve() and seconds + self._compare_cost(1) <= self._left()

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
        if perfect and min(values) >= 1.0:
            self.search_notes["search"] = f"the plain network has the best possible {metric}, so nothing was searched"
            return True
        return False

    def _compare(self) -> Round | None:
        """The comparison of the finalists, limited by the budget; None if it allows none."""
        finalists = self.screening.finalists(FINALISTS)
        while finalists and self._compare_cost(len(finalists)) > self._left():
            finalists.pop()
        enough = self._compare_cost(len(finalists)) <= self._left()
        self._check_budget(enough)
        candidates, folds = [*self.fixed, *finalists], [fold.key for fold in self.design.folds]
        if not enough:  # of the fixed candidates, the fits that are affordable, but at least one each
            folds = folds[: max(1, int(self._left() / (len(self.fixed) * self._seconds_per_fit())))]
        return self._noted(Round.product(COMPARE, candidates, folds), f"comparing {len(candidates)} recipes")

    def _check_budget(self, enough: bool) -> None:
        """Say what budget would be enough, if this one is too small."""
        trials = len(self.screening.trials())
        if math.isinf(self.budget.seconds) or self._cannot_improve() or (enough and trials >= USEFUL_TRIALS):
            return
        folds = len(self.design.folds)
        fits = FITS_PER_TRIAL * USEFUL_TRIALS + (len(self.fixed) + FINALISTS) * folds
        needed = math.ceil(self._seconds_per_fit() * fits / 10) * 10
        seconds = [fit.seconds for fit in (*self.study.screening, *self.study.fits) if math.isfinite(fit.seconds)]
        trained = f" (a fit trains for {fmean(seconds):.2g} s)" if seconds else ""
        did = f"{count(trials, 'recipe')} screened" if enough else "not all fits could be trained"
        self.search_notes["budget"] = (
            f"the budget of {self.budget} is small for this network and data ({did}); --budget {needed}s would be "
            f"enough for about {USEFUL_TRIALS} trials{trained}"
        )

    def _ablate(self) -> Round | None:
        """The recommended recipe without each of its techniques, on the folds of the first repeat."""
        recommended = self.study.evidence().recommended
        variants = without_each(recommended.candidate) if recommended else []
        folds = [fold.key for fold in self.design.folds if fold.repeat == 0]
        return self._variants(ABLATE, variants, folds, "ablation")

    def _sweep(self) -> Round | None:
        """The recommended recipe with other strengths, from no effect to harm, on folds for screening."""
        recommended = self.study.evidence().recommended
        variants = [v for own in sweep(recommended.candidate).values() for _, v in own] if recommended else []
        return self._variants(SWEEP, variants, self.screening.folds[:SWEEP_FOLDS], "sweeps")

    def _variants(self, stage: str, variants: Sequence[Candidate], folds: Sequence[Key], note: str) -> Round | None:
        """A round of variants that are not trained yet, if the budget allows it."""
        usual, study = self.study.training, self.study
        fits = (*study.fits, *study.screening, *study.ablations)
        known = {(fit.candidate.recipe, fit.candidate.settings(usual), fit.key) for fit in fits}
        pairs = [(v, key) for key in folds for v in variants if (v.recipe, v.settings(usual), key) not in known]
        if not pairs or len(pairs) * self._seconds_per_fit() > self._left():
            return None
        return self._noted(Round(stage, tuple(pairs)), note)

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
