"""What the fits of a study cost: their time follows from the epochs, measured on the fits that are finished."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from goodfit.study.candidates import Candidate
from goodfit.study.fits import Fit
from goodfit.study.result import Study
from goodfit.study.rounds import Clock, Round
from goodfit.study.search.budget import Budget

OVERHEAD = 1.25
"""The time of a fit as a multiple of its training time: it is also scored and stored."""
FIRST = 2
"""Rounds whose time says little, because they have few fits and contain the start of processes."""


@dataclass(eq=False)
class Costs:
    """Estimates the time of fits, and knows what is left of the budget.

    `processes`: how many fits are trained at the same time, where this was not measured yet.
    """

    study: Study
    budget: Budget
    clock: Clock
    rounds: Sequence[Round]
    processes: int = 1

    @property
    def left(self) -> float:
        """Seconds that are left of the budget; infinite for a budget of trials."""
        return self.budget.seconds - self.clock.used()

    @property
    def per_fit(self) -> float:
        """Seconds of a fit with the usual epochs; 0 before the first one."""
        return self.per_epoch() * self.study.training.epochs

    def of(self, candidates: Iterable[Candidate]) -> float:
        """Seconds of one fit of each candidate on the same fold: at least those of the longest."""
        epochs = [candidate.settings(self.study.training).epochs for candidate in candidates]
        return self.per_epoch() * max(sum(epochs), self.processes * max(epochs, default=0))

    def per_epoch(self) -> float:
        """Seconds of an epoch: of the time since the first rounds, or else of the training time in these.

        Epochs count that were not trained, because training was stopped early.
        """
        fits = self._fits()
        first = {pair for each in self.rounds[:FIRST] for pair in each.fits}
        later = [fit for fit in fits if (fit.candidate, fit.key) not in first]
        if later and len(self.rounds) > FIRST:
            return (self.clock.used() - self.rounds[FIRST].seconds) / self._epochs(later)
        return OVERHEAD * self.training_seconds() / self.study.training.epochs / self.processes if fits else 0.0

    def training_seconds(self) -> float:
        """The training time of a fit with the usual epochs; NaN before the first one."""
        fits = self._fits()
        per_epoch = sum(fit.seconds for fit in fits) / self._epochs(fits) if fits else math.nan
        return per_epoch * self.study.training.epochs

    def _fits(self) -> list[Fit]:
        """The fits that did not fail."""
        study = self.study
        return [fit for fit in (*study.screening, *study.fits, *study.ablations) if math.isfinite(fit.seconds)]

    def _epochs(self, fits: Sequence[Fit]) -> int:
        return sum(fit.candidate.settings(self.study.training).epochs for fit in fits)
