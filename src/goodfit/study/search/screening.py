"""Screening: which trials of a search are trained on which folds, until the best of them are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np

from goodfit.recipe import Recipe
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.fits import Fit
from goodfit.study.result import Study
from goodfit.study.rounds import Key, Round
from goodfit.study.search.no_effect import has_no_effect, stronger
from goodfit.study.search.samplers import propose_mixed
from goodfit.study.search.space import Space
from goodfit.study.search.trials import SHORTER, Trial, full_of, short_of, trials_of
from goodfit.study.stages import SCREEN, SHORT

FOLDS_AT_ONCE = 2
"""Folds on which a round begins new trials: the more trials on a fold, the faster they are trained together."""
BATCH = 30
"""New trials of a round."""
RUNGS = (3, 4, 2)
"""After short fits, one in so many trials is trained with all epochs; of these, one in so many on a second fold; of
these, one in so many on all folds. Without short fits, the first two are for the second fold and for all folds."""
CERTAIN = 2.0
"""A trial is dropped if it is so many standard errors below the best one."""


@dataclass(eq=False)
class Screening:
    """Decides on the rounds of the screening. Each decision is a function of the past rounds and their fits.

    Attributes:
        study: the study, whose `screening` fits grow from round to round.
        folds: the keys of the folds for screening.
        fixed: the plain network and other candidates that are trained on all folds at once.
        starters: recipes that are tried first, each on one fold.
        singles: for each axis, recipes with one technique alone, weakest first.
        space, sampler, seed: what is tried later.
        rounds: the past rounds.
        accepts: whether a candidate fits the network and the data.
    """

    study: Study
    folds: Sequence[Key]
    fixed: Sequence[Candidate]
    starters: Sequence[Candidate]
    singles: dict[str, list[Recipe]]
    space: Space
    sampler: str
    seed: int
    rounds: list[Round]
    accepts: Callable[[Candidate], bool]

    # ---- what is known ----------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """The screened candidates without the plain network, in the order of the rounds."""
        return trials_of(self.study, self.rounds)

    @property
    def _plain(self) -> Candidate:
        return next(c for c in self.fixed if c.label == PLAIN)

    def best(self) -> Trial | None:
        """The best trial of those that were trained on all folds."""
        whole = [t for t in self.trials() if len(t.gains) == len(self.folds) and math.isfinite(t.gain)]
        return max(whole, key=lambda trial: trial.gain, default=None)

    def finalists(self, count: int) -> list[Candidate]:
        """The best trials that were trained on all folds and are better than the plain network."""
        own = set(self.fixed)
        whole = [t for t in self.trials() if len(t.gains) == len(self.folds) and t.candidate not in own]
        better = sorted((t for t in whole if t.gain > 0), key=lambda t: (-t.gain, len(t.candidate.recipe)))
        alike = {tuple(sorted(t.gains.items())): t for t in reversed(better)}  # equal on all folds: the simplest counts
        return [t.candidate for t in better if alike[tuple(sorted(t.gains.items()))] is t][:count]

    def without_effect(self) -> list[str]:
        """The single techniques whose predictions equal those of the plain network, as texts."""
        return [r.text() for name in self.singles for r in self._tried(name) if self._has_no_effect(r)]

    # ---- rounds -----------------------------------------------------------------------------------------

    def first_fit(self) -> Round:
        """The plain network on one fold, which shows how long an epoch takes; a short fit if trials begin with them."""
        if self.shortens:
            return Round.product(SHORT, [short_of(self._plain, self.study.training)], self.folds[:1])
        return Round.product(SCREEN, [self._plain], self.folds[:1])

    def first_rounds(self, most: float) -> Round | None:
        """The round with the plain network, then the one with at most so many starters; None if both are finished."""
        known = {(fit.candidate, fit.key) for fit in self.study.screening}
        missing = [pair for pair in Round.product(SCREEN, self.fixed, self.folds).fits if pair not in known]
        if missing:
            return Round(SCREEN, tuple(missing))
        started = {trial.candidate for trial in self.trials()}
        own = self.starters[: int(min(most, len(self.starters)))]
        usual = self.study.training
        starters = [c for c in own if (full_of(short_of(c, usual), usual) if self.shortens else c) not in started]
        if not starters:
            return None
        return self._short_round(starters) if self.shortens else self._round(starters)

    def next_round(self, most: float) -> Round | None:
        """A round with at most so many new trials, and with the most promising ones on further folds."""
        count = int(min(BATCH, most))
        trials = self.trials()
        promoted = self._promoted(trials)
        if self.shortens and promoted and self.rounds[-1].stage == SHORT:
            return self._round([], promoted)
        new = self._stronger(count)
        if count > len(new):
            new += self._proposals(trials, count - len(new))
        if not self.shortens:
            return self._round(new, promoted)
        return self._short_round(new) or self._round([], promoted)

    @property
    def shortens(self) -> bool:
        """Whether trials begin with short fits."""
        return self.study.training.epochs >= 2 * SHORTER

    def last_round(self, count: int) -> Round | None:
        """The round after which at least so many trials were trained on all folds; None if they are."""
        trials = [t for t in self.trials() if math.isfinite(t.gain)]
        whole = sum(len(t.gains) == len(self.folds) for t in trials)
        left = [t for t in trials if len(t.gains) < len(self.folds)]
        ranked = sorted(left, key=lambda t: -t.shrunk)[: max(0, count - whole)]
        fits = [(t.candidate, key) for t in ranked for key in self.folds if key not in t.gains]
        return Round(SCREEN, tuple(sorted(fits, key=lambda fit: fit[1]))) if fits else None

    def _round(self, new: Sequence[Candidate], more: Sequence[tuple[Candidate, Key]] = ()) -> Round | None:
        """New trials, half of them on each of this round's folds, and further fits; fold by fold."""
        own = self._round_folds()
        fits = [(c, own[i % len(own)]) for i, c in enumerate(new)]
        both = sorted([*fits, *more], key=lambda fit: fit[1])
        return Round(SCREEN, tuple(dict.fromkeys(both))) if both else None

    def _short_round(self, new: Sequence[Candidate]) -> Round | None:
        """Short fits of new trials, with those of the plain network on the folds that have none."""
        whole = self._round(new)
        if whole is None:
            return None
        usual = self.study.training
        plain = short_of(self._plain, usual)
        known = {(fit.candidate, fit.key) for fit in self.study.screening}
        missing = [(plain, key) for key in whole.folds if (plain, key) not in known]
        fits = [(short_of(candidate, usual), key) for candidate, key in whole.fits]
        return Round(SHORT, tuple(dict.fromkeys([*missing, *fits])))

    def _promoted(self, trials: Sequence[Trial]) -> list[tuple[Candidate, Key]]:
        """Trials that are trained on a first (after short fits), on a second or on all folds: the best of those that
        may be the best."""
        promising = [t for t in self._racing(trials) if t.candidate not in self.fixed]
        promising.sort(key=lambda t: -t.shrunk)
        fits: list[tuple[Candidate, Key]] = []
        steps = list(dict.fromkeys([*([0] if self.shortens else []), 1, min(2, len(self.folds)), len(self.folds)]))
        share = 1
        for number, (from_folds, to_folds) in enumerate(pairwise(steps)):
            share *= RUNGS[min(number, len(RUNGS) - 1)]
            places = len(trials) // share - sum(len(t.gains) > from_folds for t in trials)
            risen = [t for t in promising if len(t.gains) == from_folds][: max(0, places)]
            for trial in risen:
                missing = [key for key in self._from(trial) if key not in trial.gains]
                fits += [(trial.candidate, key) for key in missing[: to_folds - from_folds]]
        return fits

    def _from(self, trial: Trial) -> list[Key]:
        """The folds, beginning with those of this round, and then after the first one of a trial."""
        start = list(self.folds).index(next(iter(trial.gains), self.folds[0]))
        return list(dict.fromkeys([*self._round_folds(), *self.folds[start:], *self.folds[:start]]))

    def _round_folds(self) -> list[Key]:
        """The folds on which a round begins its new trials: two, others in each round."""
        start = FOLDS_AT_ONCE * len(self.rounds)
        return [self.folds[(start + i) % len(self.folds)] for i in range(min(FOLDS_AT_ONCE, len(self.folds)))]

    def _racing(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials that are not known to be worse than the best one; short fits are compared with short ones."""
        spreads = [np.var(list(t.gains.values()), ddof=1) for t in trials if len(t.gains) > 1 and math.isfinite(t.gain)]
        deviation = math.sqrt(fmean(map(float, spreads))) if spreads else math.inf
        best = self.best()
        bar = best.gain if best else -math.inf
        short_bar = best.short if best and math.isfinite(best.short) else -math.inf
        limits = ((t, CERTAIN * deviation / math.sqrt(max(1, len(t.gains)))) for t in trials)
        return [t for t, limit in limits if t.gain + limit >= (bar if t.gains else short_bar)]

    def _proposals(self, trials: Sequence[Trial], count: int) -> list[Candidate]:
        """New positions of the space from the sampler, without those that were tried before."""
        usual, space = self.study.training, self.current_space()
        placed = [(space.positions(t.candidate, usual), t) for t in trials]
        results = [(positions, t.shrunk) for positions, t in placed if positions is not None]
        known = {t.candidate for t in trials} | {self._plain}
        new: dict[Candidate, None] = {}
        for positions in propose_mixed(self.sampler, space, results, count, self.seed):
            candidate = space.candidate(positions, usual)
            if candidate not in known and self.accepts(candidate):
                new[candidate] = None
        return list(new)

    def current_space(self) -> Space:
        """The space, with wider ranges where the best value is at the edge of its range or beyond it."""
        best = self.best()
        return self.space if best is None or best.gain <= 0 else self.space.around(best.candidate, self.study.training)

    # ---- techniques without an effect -------------------------------------------------------------------

    def _stronger(self, count: int) -> list[Candidate]:
        """For techniques that had no effect at any strength that was tried, a stronger one."""
        steps: list[Candidate] = []
        for name in self.singles:
            tried = self._tried(name)
            if len(tried) >= len(self.singles[name]) and all(map(self._has_no_effect, tried)):
                recipe = stronger(tried[-1], self.space.axis(name))
                steps += [Candidate(recipe.text(), recipe)] if recipe is not None else []
        return steps[:count]

    def _tried(self, name: str) -> list[Recipe]:
        """The recipes with one technique alone that were trained, weakest first."""
        known = {fit.candidate.recipe for fit in self.study.screening}
        tried = [recipe for recipe in self.singles[name] if recipe in known]
        while tried and (further := stronger(tried[-1], self.space.axis(name))) in known:
            assert further is not None
            tried.append(further)
        return tried

    def _has_no_effect(self, recipe: Recipe) -> bool:
        """Whether its fits predict the same as plain ones with the same settings on the same folds."""
        plain, own = ({(f.candidate.training, f.key): f for f in self._fits(r)} for r in (Recipe(), recipe))
        both = own.keys() & plain.keys()
        return bool(both) and all(has_no_effect(own[key], plain[key]) for key in both)

    def _fits(self, recipe: Recipe) -> list[Fit]:
        return [fit for fit in self.study.screening if fit.candidate.recipe == recipe]
