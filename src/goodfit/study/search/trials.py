"""What is known about the trials of a screening."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from goodfit.study.candidates import Candidate
from goodfit.study.result import Study
from goodfit.study.rounds import Key, Round
from goodfit.study.stages import SCREEN, SHORT
from goodfit.train.config import Training

SHORTER = 3
"""A short fit has one epoch of so many."""


@dataclass(frozen=True)
class Trial:
    """A screened candidate and how much better than the plain network it was.

    Attributes:
        gains: fold → paired difference, in the direction in which the metric is better; NaN if training failed.
        short: the mean difference of short fits from short plain ones; NaN without any.
    """

    candidate: Candidate
    gains: dict[Key, float] = field(default_factory=dict)
    short: float = math.nan

    @property
    def gain(self) -> float:
        """The mean over its folds; NaN if some fit failed. Without any fold, that of the short fits."""
        return fmean(self.gains.values()) if self.gains else self.short

    @property
    def shrunk(self) -> float:
        """The gain, shrunken towards 0 the more, the fewer the folds."""
        folds = max(0.5, len(self.gains))
        return self.gain * folds / (folds + 1)


def trials_of(study: Study, rounds: Sequence[Round]) -> list[Trial]:
    """The screened candidates without the plain network, in the order of the rounds."""
    full, short = (dict(_gains(study, rounds, stage)) for stage in (SCREEN, SHORT))
    shortened = {full_of(candidate, study.training): gains for candidate, gains in short.items()}
    order = dict.fromkeys(
        candidate if each.stage == SCREEN else full_of(candidate, study.training)
        for each in rounds
        for candidate in each.candidates
        if each.stage in (SCREEN, SHORT)
    )
    trials = [Trial(c, full.get(c, {}), fmean(shortened[c].values()) if c in shortened else math.nan) for c in order]
    return [trial for trial in trials if trial.gains or trial.candidate in shortened]


def _gains(study: Study, rounds: Sequence[Round], stage: str) -> Iterator[tuple[Candidate, dict[Key, float]]]:
    """Candidates with their paired differences from the plain network of the same length."""
    sign = 1.0 if study.higher_is_better else -1.0
    finished = {(fit.candidate, fit.key): fit for fit in study.screening}
    values: dict[Candidate, dict[Key, float]] = {}
    for pair in (pair for each in rounds if each.stage == stage for pair in each.fits):
        if pair in finished:
            values.setdefault(pair[0], {})[pair[1]] = study.value(finished[pair])
    usual = study.training
    plain_settings = usual if stage == SCREEN else short_training(usual)
    plain = next((c for c in values if not len(c.recipe) and c.settings(usual) == plain_settings), None)
    baseline = values.pop(plain, {}) if plain else {}
    for candidate, own in values.items():
        gains = {key: sign * (own[key] - baseline[key]) for key in own if key in baseline}
        if gains:
            yield candidate, gains


def short_of(candidate: Candidate, usual: Training) -> Candidate:
    """The candidate with fewer epochs.

    >>> from goodfit.recipe import Recipe
    >>> short_of(Candidate("l2=0.1", Recipe.of("l2=0.1")), Training(epochs=30)).label
    'l2=0.1; epochs=10'
    """
    return Candidate.of(candidate.recipe, short_training(candidate.settings(usual)), usual)


def short_training(settings: Training) -> Training:
    """The settings with fewer epochs."""
    return replace(settings, epochs=max(1, settings.epochs // SHORTER))


def full_of(candidate: Candidate, usual: Training) -> Candidate:
    """The candidate of which a short one was trained, with the usual epochs or a multiple of those of the short one.

    >>> from goodfit.recipe import Recipe
    >>> whole = Candidate("l2=0.1", Recipe.of("l2=0.1"))
    >>> full_of(short_of(whole, Training(epochs=20)), Training(epochs=20)) == whole
    True
    """
    settings = candidate.settings(usual)
    is_usual = settings.epochs == short_training(usual).epochs
    full = replace(settings, epochs=usual.epochs if is_usual else settings.epochs * SHORTER)
    return Candidate.of(candidate.recipe, full, usual)
