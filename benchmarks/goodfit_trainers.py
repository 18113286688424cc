"""goodfit as a trainer, through its public interface."""

import os
from functools import partial
from typing import Any
from unittest import mock

from loops import validate
from problems import Problem
from timing import Start, Turn


def empty_recipe(problem: Problem) -> Start:
    """Trains with the empty recipe: the cost of the library itself."""
    return _goodfit(problem, "")


def usual_kernels(problem: Problem) -> Start:
    """The same with torch's own kernels and memory format."""
    inner = _goodfit(problem, "")

    def start(epochs: int, seed: int) -> Turn:
        turn = inner(epochs, seed)

        def fit() -> object:
            with mock.patch.dict(os.environ, GOODFIT_PRODUCTS="torch"):
                return turn.fit()

        return Turn(fit, turn.accuracy)

    return start


def three_techniques(problem: Problem) -> Start:
    """Trains with a penalty, a constraint and early stopping.

    The patience is five epochs, or the number of timed epochs if that is larger, so that no run stops early.
    """
    return _goodfit(problem, "l2=1e-4, max_norm=3, early_stopping={patience}")


def _goodfit(problem: Problem, recipe: str) -> Start:
    import goodfit as gf
    from goodfit.data import from_tensors

    split = from_tensors(train=(problem.x, problem.y), stop=(problem.xv, problem.yv))

    def start(epochs: int, seed: int) -> Turn:
        training = gf.Training(
            epochs=epochs, batch_size=problem.batch, optimizer="adam", learning_rate=problem.learning_rate
        )
        text = recipe.format(patience=max(5, epochs))
        result: dict[str, Any] = {}
        fit = partial(gf.fit, problem.network(seed), split, text, training, seed=seed)
        return Turn(lambda: result.update(run=fit()), lambda: validate(problem, result["run"].model)[1])

    return start
