"""Samplers: which positions of a space are tried next."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

from scipy.stats import qmc

from goodfit.errors import InputError, near
from goodfit.study.search.space import Space

Positions = Sequence[float]
Result = tuple[Positions, float]
"""Positions, and how much better than the plain network the trial is; NaN if it failed."""

SAMPLERS = ("tpe", "gp", "quasi_random", "random")
SAMPLER = "tpe"
"""The default."""


def check_sampler(name: str) -> None:
    """Check the name of a sampler.

    Raises:
        InputError: there is no such sampler.
    """
    if name not in SAMPLERS:
        raise InputError(f"study: sampler must be one of {', '.join(SAMPLERS)}, got '{name}'.{near(name, SAMPLERS)}")


RANDOM_FIRST, RANDOM_SHARE = 60, 0.25
"""Before a model guides a search, so many trials are random, and afterwards this share: single techniques are close to
the plain network, and a model that knows only them does not leave its neighbourhood."""


def propose_mixed(name: str, space: Space, results: Sequence[Result], count: int, seed: int) -> list[list[float]]:
    """`count` positions, some of them random; see `propose`.

    Args:
        name, space, count, seed: as in `propose`.
        results: what was tried before, also single techniques.
    """
    several = sum(sum(axis.off <= p for axis, p in zip(space.axes, positions, strict=True) if axis.off) > 1
                  for positions, _ in results)  # fmt: skip
    random = count if several < RANDOM_FIRST else round(RANDOM_SHARE * count)
    if name in ("random", "quasi_random"):
        random = 0
    guided = propose(name, space, results, count - random, seed) if count > random else []
    return guided + (propose("random", space, results, random, seed) if random else [])


def propose(name: str, space: Space, results: Sequence[Result], count: int, seed: int) -> list[list[float]]:
    """`count` positions to try next; the same ones for the same arguments.

    Args:
        name: "tpe" (tree-structured Parzen estimator), "gp" (Gaussian process), "quasi_random" (Sobol) or "random".
        space: the space.
        results: what was tried before.
        count: how many positions.
        seed: of the random numbers.
    """
    if name == "quasi_random":
        sobol = qmc.Sobol(len(space.axes), seed=seed)
        if results:
            sobol.fast_forward(len(results))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the number of points is no power of two
            return [list(map(float, row)) for row in sobol.random(count)]
    return _propose_with_optuna(name, space, results, count, seed * 10_007 + len(results))


def _propose_with_optuna(
    name: str, space: Space, results: Sequence[Result], count: int, seed: int
) -> list[list[float]]:  # fmt: skip
    import optuna  # takes a second
    from optuna.distributions import FloatDistribution
    from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
    from optuna.trial import TrialState, create_trial

    from goodfit.study.optuna_storage import quiet

    samplers: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=0),
        "gp": lambda: GPSampler(seed=seed, n_startup_trials=0),
        "random": lambda: RandomSampler(seed=seed),
    }
    names = [axis.name for axis in space.axes]
    distributions = dict.fromkeys(names, FloatDistribution(0.0, 1.0))
    with quiet():
        study = optuna.create_study(direction="maximize", sampler=samplers[name]())
        worst = min((value for _, value in results if math.isfinite(value)), default=0.0)
        for positions, value in results:
            study.add_trial(
                create_trial(
                    params=dict(zip(names, positions, strict=True)),
                    distributions=dict(distributions),
                    value=value if math.isfinite(value) else worst,
                    state=TrialState.COMPLETE,
                )
            )
        trials = [study.ask(dict(distributions)) for _ in range(count)]
    return [[trial.params[axis] for axis in names] for trial in trials]
