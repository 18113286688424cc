"""goodfit, by its public interface."""

from functools import partial
from typing import Any

from loops import validate
from problems import Problem
from timing import Start, Turn


def nothing_on(problem: Problem) -> Start:
    """What the library itself costs."""
    return _goodfit(problem, "")


def three_on(problem: Problem) -> Start:
    """A penalty, a projection and a stopping rule at once.

    Its patience is five epochs; a timing of more epochs than that raises it (see `_goodfit`), because a run
    that stops is not a run that is fast.
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
        kept: dict[str, Any] = {}
        fit = partial(gf.fit, problem.network(seed), split, text, training, seed=seed)
        return Turn(lambda: kept.update(run=fit()), lambda: validate(problem, kept["run"].model)[1])

    return start
