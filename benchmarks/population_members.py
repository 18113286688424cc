"""The members, which differ in strengths and learning rate, and the call of `fit_many` that trains them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import numpy as np
import problems
from loops import validate
from problems import Problem
from timing import Start, Turn

TRAINED, HELD_OUT = 1_024, 256


@dataclass(frozen=True)
class Member:
    """The strengths and the learning rate of one member; all members also use early stopping."""

    l2: float  # λ of λΣw²
    dropout: float
    max_norm: float
    label_smoothing: float
    learning_rate: float

    def recipe(self, patience: int) -> str:
        return (
            f"l2={self.l2}, dropout={self.dropout}, max_norm={self.max_norm}, "
            f"label_smoothing={self.label_smoothing}, early_stopping={patience}"
        )


def members(count: int) -> list[Member]:
    """The first `count` members; the same in every process."""
    generator = np.random.default_rng(0)
    return [_member(generator) for _ in range(count)]


def _member(generator: np.random.Generator) -> Member:
    l2, rate = (float(np.exp(generator.uniform(*np.log(ends)))) for ends in ((1e-6, 1e-3), (3e-4, 3e-3)))
    drawn = [float(generator.uniform(*ends)) for ends in ((0.05, 0.3), (1.5, 4.0), (0.02, 0.15))]
    return Member(l2, *drawn, learning_rate=rate)


def rows() -> Problem:
    """20-64-64-2 on generated rows: 16 steps per epoch."""
    return problems.small(TRAINED, HELD_OUT)


def first_steps(problem: Problem, steps: int) -> Problem:
    """The problem with only the training rows of the first steps, and few validation rows."""
    count = steps * problem.batch
    cut = {"x": problem.x[:count], "y": problem.y[:count], "xv": problem.xv[:HELD_OUT], "yv": problem.yv[:HELD_OUT]}
    return replace(problem, **cut)


def train(problem: Problem, trained: Sequence[Member], epochs: int, seed: int, population: bool | None) -> list[Any]:
    """Train all members with one call of `fit_many`, and check that no run stopped early."""
    from goodfit import Training, fit_many
    from goodfit.data import from_tensors

    split = from_tensors(train=(problem.x, problem.y), stop=(problem.xv, problem.yv))
    hidden = "-".join(map(str, problem.sizes[1:-1]))
    training = [Training(epochs=epochs, batch_size=problem.batch, learning_rate=m.learning_rate) for m in trained]
    recipes = [m.recipe(patience=epochs) for m in trained]
    runs = fit_many(
        f"mlp:{hidden}", split, recipes, training, seeds=(seed,), population=population, progress=False
    )  # fmt: skip
    if runs.failed:
        raise runs.failed[0].error
    for run in runs:
        if run.epochs != epochs:
            raise RuntimeError(f"all runs must train {epochs} epochs, got {run.epochs}: {run}")
    return list(runs)


def goodfit(trained: Sequence[Member], compared: int, population: bool | None = True) -> Callable[[Problem], Start]:
    """`fit_many` as a trainer; its accuracy is that of the first `compared` members, which the others train too."""

    def enter(problem: Problem) -> Start:
        def start(epochs: int, seed: int) -> Turn:
            runs: list[Any] = []

            def accuracy() -> float:
                return mean(validate(problem, run.model)[1] for run in runs[:compared])

            return Turn(lambda: runs.extend(train(problem, trained, epochs, seed, population)), accuracy)

        return start

    return enter
