"""`fit_many`: many recipes and seeds at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError, TrainingError
from goodfit.recipe import Recipe
from goodfit.technique import Technique
from goodfit.train.fitting import fit
from goodfit.train.losses import Loss
from goodfit.train.population.jobs import Job, Networks, plan
from goodfit.train.population.structure import group
from goodfit.train.population.train import Population, Result
from goodfit.train.run import Run
from goodfit.train.settings import Training


def fit_many(
    model: nn.Module | str,
    split: Split | Mapping[int, Split],
    recipes: Sequence[Recipe | Technique | str],
    training: Training | Sequence[Training] | None = None,
    *,
    seeds: Sequence[int] = (0,),
    fresh: bool = False,
    loss: Loss | None = None,
    population: bool = True,
    progress: bool | None = None,
) -> list[Run | TrainingError]:
    """Train a network with many recipes and seeds; every run equals that of `fit` with the same recipe and seed.

    Runs of one structure are trained together, as one program of stacked tensors: each has its own strengths,
    learning rate, rows and random numbers, and ends by itself. What cannot be stacked is trained run by run
    (`population=False`: everything).

    `split`: the data of all runs, or a split for each seed. `training`: one for all, or one for each recipe. `fresh`: a
    given network starts anew from each seed (a reference network, `mlp:64-64`, always does); otherwise each run begins
    with the weights that it has.

    Returns the runs, recipes outermost: run i · len(seeds) + j has recipe i and seed j. In place of a run whose loss
    was not finite before there was an epoch to keep stands the `TrainingError` that says so.

    >>> from goodfit import load
    >>> runs = fit_many("mlp:8", load("iris").split(), ["", "l2=1e-3"], Training(epochs=2), seeds=(0, 1))
    >>> [(str(run.recipe), run.seed) for run in runs]
    [('plain', 0), ('plain', 1), ('l2=0.001', 0), ('l2=0.001', 1)]

    Raises:
        InputError: the network, a recipe and the data do not fit each other; nothing was trained then.
    """
    splits = dict(split) if isinstance(split, Mapping) else dict.fromkeys(seeds, split)
    named = [Recipe.of(recipe) for recipe in recipes]
    given = [training or Training()] * len(named) if training is None or isinstance(training, Training) else training
    if len(given) != len(named):
        raise InputError(f"fit_many: training must be one, or one for each recipe, got {len(given)} for {len(named)}.")
    networks = Networks(model, fresh)
    jobs = plan(networks, splits, named, given, loss)
    found = dict(train_all(networks, jobs, loss, population))
    return [found[job.number] for job in jobs]


def train_all(
    networks: Networks, jobs: Sequence[Job], loss: Loss | None, population: bool = True
) -> Iterator[tuple[int, Result]]:
    """The results of jobs by their numbers, as they come."""
    together = [job for job in jobs if population and not job.alone]
    alone = [job for job in jobs if not population or job.alone]
    for structure, numbers in group([(job.key, job.recipe) for job in together]):
        yield from Population(networks, structure, [together[i] for i in numbers], at_once=32).train()
    for job in alone:
        yield job.number, fit_alone(networks, job, loss)


def fit_alone(networks: Networks, job: Job, loss: Loss | None) -> Result:
    """A run by itself."""
    try:
        return fit(networks.alone(job.seed), job.split, job.recipe, job.training, seed=job.seed, loss=loss, progress=False)
    except TrainingError as error:
        return error
