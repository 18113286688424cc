"""A search whose fits are made from scores instead of training."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.study import Protocol, Study
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.definition import Definition
from goodfit.study.design import SCREENING, Design, Fold
from goodfit.study.fits import Fit, Predictions
from goodfit.study.rounds import Clock, Key, Round
from goodfit.study.search.budget import Budget
from goodfit.study.search.defaults import default_space, single_techniques
from goodfit.study.search.plan import SearchPlan
from goodfit.study.search.screening import Screening
from goodfit.study.search.space import Space
from goodfit.study.stages import COMPARE
from goodfit.study.targets import Targets
from goodfit.train.config import Training

SPEC = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "hand")
NUMBERS = TaskSpec("regression", "y", (), (4,), 1, "hand")
ROWS = 50
"""Rows of a fold."""
Score = Callable[[Candidate, Key], float | None]
"""The score of a fit; None: it fails."""


def noise(candidate: Candidate, key: Key) -> float:
    """A number in [-1, 1] that is another one for each recipe, its settings and fold."""
    settings = sorted(candidate.training.values().items()) if candidate.training else []
    text = f"{candidate.recipe.text()} {settings} {key}"
    return zlib.crc32(text.encode()) / 2**31 - 1


class HandClock(Clock):
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        super().__init__(begun=0.0)
        self.now = 0.0

    def used(self, now: float | None = None) -> float:
        return self.now


@dataclass(eq=False)
class MadeSearch:
    """A search without training: its fits follow from a function of recipe and fold.

    Attributes:
        score: the score of a recipe on a fold: accuracy, or rmse.
        fixed: the recipes that are compared in any case, after the plain network.
        seconds: the time of a fit with the usual epochs.
        trained: every fit in the order in which it was made.
    """

    score: Score
    ranges: dict[str, Any] | None = None
    fixed: Sequence[str] = ()
    budget: str = "1h"
    folds: int = 3
    repeats: int = 1
    metric: str = "accuracy"
    seconds: float = 1.0
    sampler: str = "random"
    outputs: Callable[[Candidate, Key], torch.Tensor] | None = None
    accepts: Callable[[Candidate], bool] = lambda candidate: True
    usual: Training = field(default_factory=lambda: Training(epochs=2))
    trained: list[tuple[str, Candidate, Key]] = field(default_factory=list)
    widen: bool = True
    starters: Sequence[Candidate] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        spec = SPEC if self.metric == "accuracy" else NUMBERS
        usual = replace(self.usual, metric=self.metric)
        self.space = Space(self.ranges, self.widen) if self.ranges else default_space(spec, usual)
        self.singles = single_techniques(self.space, spec)
        compared = tuple(Candidate(text or PLAIN, Recipe.of(text)) for text in ("", *self.fixed))
        counts = {"train": 100, "stop": ROWS, "validation": ROWS, "test": ROWS}
        protocol = Protocol(folds=self.folds, repeats=self.repeats)
        definition = Definition("hand", "0", counts, spec, "mlp", "", usual, self.metric, "", protocol, "", compared)
        y = torch.zeros(self.folds * ROWS, dtype=torch.int64 if self.metric == "accuracy" else torch.float64)
        self.study = Study(definition, Targets(y, torch.arange(len(y)), y[:ROWS], torch.arange(ROWS)))
        self.clock, self.rounds = HandClock(), list[Round]()

    def keys(self, repeat: int) -> list[Key]:
        return [(repeat, fold) for fold in range(self.folds)]

    @property
    def design(self) -> Design:
        folds = tuple(
            Fold(*key, 0, None, None)  # type: ignore[arg-type]
            for repeat in range(self.repeats)
            for key in self.keys(repeat)
        )
        screening = tuple(Fold(*key, 0, None, None) for key in self.keys(SCREENING))  # type: ignore[arg-type]
        return Design(self.study.definition.protocol, folds, "", self.study.targets.units.numpy(), screening)

    def screening(self) -> Screening:
        """A new object that decides from the rounds and fits so far."""
        starters = self.starters
        if starters is None:
            recipes = dict.fromkeys(recipe for own in self.singles.values() for recipe in own)
            starters = [c for r in recipes if (c := Candidate(r.text(), r)) not in self.study.definition.candidates]
        return Screening(
            self.study, self.keys(SCREENING), self.study.definition.candidates, starters, self.singles, self.space,
            self.sampler, self.seed, self.rounds, self.accepts,
        )  # fmt: skip

    def plan(self) -> SearchPlan:
        """A new object that decides from the rounds, fits and clock so far."""
        return SearchPlan(
            self.study, self.design, self.screening(), self.study.definition.candidates, Budget.of(self.budget),
            self.clock, self.rounds,
        )  # fmt: skip

    def fit(self, candidate: Candidate, key: Key, stage: str) -> Fit:
        spec, value = self.study.spec, self.score(candidate, key)
        if value is None:
            return Fit(candidate, *key, 0, spec, self.metric, failure="it diverged", stage=stage)
        if self.outputs is not None:
            outputs = self.outputs(candidate, key)
        elif self.metric == "accuracy":
            right = torch.arange(ROWS) < round(value * ROWS)
            outputs = torch.where(right[:, None], torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
            outputs = outputs * (1 + 0.1 * noise(candidate, (0, 0)))  # other recipes predict otherwise
        else:
            outputs = torch.full((ROWS, 1), value, dtype=torch.float64)
        own = Predictions(torch.arange(key[1] * ROWS, (key[1] + 1) * ROWS), outputs)
        parts = {"stop": own, "validation": own}
        if stage == COMPARE:
            parts["test"] = Predictions(torch.arange(ROWS), outputs)
        return Fit(
            candidate,
            *key,
            0,
            spec,
            self.metric,
            parts,
            seconds=self.seconds * candidate.settings(self.study.training).epochs / self.study.training.epochs,
            stage=stage,
        )

    def time(self, candidate: Candidate) -> float:
        usual = self.study.training
        return self.seconds * candidate.settings(usual).epochs / usual.epochs

    def train(self, current: Round) -> None:
        """Make the fits of a round; of those that exist, none."""
        study = self.study
        known = {(f.label, f.key) for f in (*study.fits, *study.screening, *study.ablations)}
        for candidate, key in current.fits:
            if (candidate.label, key) not in known:
                self.study.add(self.fit(candidate, key, current.stage))
                self.trained.append((current.stage, candidate, key))
                self.clock.now += self.time(candidate)
        self.rounds.append(current)

    def run(self, most: int = 100, resumed: bool = False) -> SearchPlan:
        """All rounds; if `resumed`, each is decided by a new object. The last one is returned."""
        plan = self.plan()
        for _ in range(most):
            plan = self.plan() if resumed else plan
            decided = plan.decide()
            if decided is None:
                return plan
            self.train(decided)
        raise AssertionError(f"the search has not ended after {most} rounds")

    def trained_on(self, candidate: Candidate) -> set[Key]:
        """The folds for screening on which a recipe was trained."""
        return {key for _, own, key in self.trained if own == candidate and key[0] == SCREENING}


@pytest.fixture
def make_search() -> type[MadeSearch]:
    """The class of searches whose fits are made from scores."""
    return MadeSearch


@pytest.fixture
def noise_of() -> Callable[[Candidate, Key], float]:
    """A number in [-1, 1] for a recipe and a fold."""
    return noise


@pytest.fixture
def strength_score() -> Score:
    """Accuracy that l2 improves, with some noise: 0.6 without, 0.8 with its best strength."""

    def score(candidate: Candidate, key: Key) -> float:
        value = 0.6
        for technique in candidate.recipe:
            if technique.name() == "l2" and technique.l2:  # type: ignore[attr-defined]
                value += 0.2 - 0.05 * abs(math.log10(technique.l2) + 2)  # type: ignore[attr-defined]
            else:
                value -= 0.03
        return min(1.0, value + 0.04 * noise(candidate, key))

    return score
