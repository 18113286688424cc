"""Rounds: the fits of a study that are trained together, before it is decided which ones follow."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodfit.study.candidates import Candidate
from goodfit.study.stages import COMPARE

Key = tuple[int, int]
"""Repeat and number of a fold."""


@dataclass(frozen=True)
class Round:
    """Recipes with the folds on which they are trained.

    Attributes:
        stage: why; see `goodfit.study.fits`.
        fits: recipes and the keys of their folds.
        seconds: the time that the study had used when this round was decided.
        note: what the search reports about its decision.
    """

    stage: str
    fits: tuple[tuple[Candidate, Key], ...]
    seconds: float = 0.0
    note: str = ""

    @classmethod
    def product(cls, stage: str, candidates: Sequence[Candidate], folds: Sequence[Key]) -> Round:
        """Every recipe on every fold."""
        return cls(stage, tuple((candidate, fold) for fold in folds for candidate in candidates))

    @property
    def folds(self) -> list[Key]:
        """The keys of its folds in order of their first fit."""
        return list(dict.fromkeys(fold for _, fold in self.fits))

    @property
    def candidates(self) -> list[Candidate]:
        """Its recipes in order of their first fit."""
        return list(dict.fromkeys(candidate for candidate, _ in self.fits))

    def on(self, fold: Key) -> list[Candidate]:
        """The recipes that are trained on a fold."""
        return [candidate for candidate, own in self.fits if own == fold]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        number = {candidate: i for i, candidate in enumerate(self.candidates)}
        return {
            "stage": self.stage, "seconds": self.seconds, "note": self.note,
            "candidates": [candidate.to_dict() for candidate in number],
            "fits": [[number[candidate], *fold] for candidate, fold in self.fits],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Round:
        """The inverse of `to_dict`.

        Raises:
            InputError: a technique is unknown, or a value breaks the rule of its knob.
        """
        candidates = [Candidate.from_dict(each) for each in values["candidates"]]
        fits = tuple((candidates[i], (repeat, fold)) for i, repeat, fold in values["fits"])
        return cls(values["stage"], fits, float(values["seconds"]), values["note"])


class Clock:
    """The time that a study has used, also in processes that have ended.

    >>> clock = Clock(begun=100.0)
    >>> clock.resume(60.0, now=101.0)
    >>> clock.used(now=102.0)
    61.0
    """

    def __init__(self, begun: float | None = None) -> None:
        self._begun = time.monotonic() if begun is None else begun

    def used(self, now: float | None = None) -> float:
        """Seconds since the study began."""
        return (time.monotonic() if now is None else now) - self._begun

    def resume(self, seconds: float, now: float | None = None) -> None:
        """Continue a study that had used so many seconds."""
        now = time.monotonic() if now is None else now
        self._begun = min(self._begun, now - seconds)


def compare_all(candidates: Sequence[Candidate], folds: Sequence[Key]) -> Iterator[Round]:
    """The only round of a study without a search."""
    yield Round.product(COMPARE, candidates, folds)
