"""`fit_many`: many recipes and seeds at once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from goodfit.checks import is_whole_number
from goodfit.data import Split
from goodfit.errors import InputError, TrainingError
from goodfit.recipe import Recipe
from goodfit.technique import Technique
from goodfit.train.config import Training
from goodfit.train.losses import Loss
from goodfit.train.population.bar import ManyBar
from goodfit.train.population.grouping import group
from goodfit.train.population.jobs import Checker, Job, Networks
from goodfit.train.population.scheduler import CannotStackError, Population
from goodfit.train.population.solo_processes import Result, fit_apart
from goodfit.train.run import Run


def fit_many(
    model: nn.Module | str,
    split: Split | Mapping[int, Split],
    recipes: Sequence[Recipe | Technique | str],
    training: Training | Sequence[Training] | None = None,
    *,
    seeds: Sequence[int] | None = None,
    fresh: bool = False,
    loss: Loss | None = None,
    population: bool | None = None,
    progress: bool | None = None,
) -> list[Run | TrainingError]:
    """Train a network with many recipes and seeds; every run equals that of `fit` with the same recipe and seed.

    Runs of one structure are trained together, as one program of stacked tensors: each has its own strengths,
    learning rate, rows and random numbers, and ends by itself. What cannot be stacked is trained run by run, and so
    is what a short measurement finds faster that way (`population=True`: only what cannot be stacked; `False`: all).

    `split`: the data of all runs, or a split for each seed, whose keys are then the seeds. `seeds`: 0 alone if not
    given. `training`: one for all, or one for each recipe. `fresh`: a given network starts anew from each seed (a
    reference network, `mlp:64-64`, always does); otherwise each run begins with the weights that it has.

    Returns the runs, recipes outermost: run i · len(seeds) + j has recipe i and seed j. In place of a run without an
    epoch to keep, because its loss was not finite or Ctrl-C came before, stands the `TrainingError` that says so.

    >>> from goodfit import load
    >>> runs = fit_many("mlp:8", load("iris").split(), ["", "l2=1e-3"], Training(epochs=2), seeds=(0, 1))
    >>> [(str(run.recipe), run.seed) for run in runs]
    [('plain', 0), ('plain', 1), ('l2=0.001', 0), ('l2=0.001', 1)]

    Raises:
        InputError: the network, a recipe and the data do not fit each other, or seeds are not those of the splits;
            nothing was trained then.
    """
    splits, named = _by_seed(split, seeds), _recipes(recipes)
    given = [training or Training()] * len(named) if training is None or isinstance(training, Training) else training
    if len(given) != len(named):
        raise InputError(f"fit_many: training must be one, or one for each recipe, got {len(given)} for {len(named)}.")
    networks = Networks(model, fresh)
    jobs = _checked(Checker(networks, loss), list(zip(named, given, strict=True)), splits)
    found: dict[int, Result] = {}
    with bar_of(jobs, progress) as bar:
        try:
            for number, result in train_all(networks, jobs, loss, bar, population=population):
                found[number] = result
        except KeyboardInterrupt:
            pass  # what was trained until then is in `found`
    missing = TrainingError("training: interrupted by the user before the first epoch of this run was done.")
    return [found.get(job.number, missing) for job in jobs]


def _recipes(given: Sequence[Recipe | Technique | str]) -> list[Recipe]:
    if not len(given):
        raise InputError("fit_many: there must be a recipe, got none; an empty text is the plain network.")
    return [Recipe.of(recipe) for recipe in given]


def _by_seed(split: Split | Mapping[int, Split], seeds: Sequence[int] | None) -> dict[int, Split]:
    """The split of each seed."""
    keys = tuple(split) if isinstance(split, Mapping) else (0,)
    asked = keys if seeds is None else tuple(seeds)
    whole = all(is_whole_number(seed, 0) for seed in asked)
    if not asked or not whole or len(set(asked)) < len(asked):
        raise InputError(f"fit_many: seeds must be different whole numbers of at least 0, got seeds={asked!r}.")
    if not isinstance(split, Mapping):
        return dict.fromkeys(asked, split)
    if asked != keys:
        raise InputError(f"fit_many: seeds must be those of the splits, {keys!r}, got {asked!r}; leave seeds out.")
    first, *others = ((seed, f"{own.spec.task} with {own.spec.n_outputs} output(s)") for seed, own in split.items())
    for seed, task in others:
        if task != first[1]:
            raise InputError(
                f"fit_many: all splits must have one task, got {first[1]} for seed {first[0]} and {task} for seed "
                f"{seed}; call fit_many for each task."
            )
    return dict(split)


def _checked(checker: Checker, asked: Sequence[tuple[Recipe, Training]], splits: Mapping[int, Split]) -> list[Job]:
    """The jobs, recipes outermost.

    Raises:
        InputError: a recipe does not fit the network or the data; says which of several.
    """
    jobs: list[Job] = []
    for recipe, training in asked:
        for seed, split in splits.items():
            try:
                jobs.append(checker(split, recipe, training).job(len(jobs), seed, split))
            except InputError as error:
                which = [f"recipe '{recipe}'"] * (len(asked) > 1) + _which(seed, splits)
                raise type(error)(f"{error} ({'; '.join(which)})" if which else str(error)) from None
    return jobs


def _which(seed: int, splits: Mapping[int, Split]) -> list[str]:
    """Words on the split of a seed; none where all have the first one's, or it is the first."""
    first = next(iter(splits))
    if splits[seed] is splits[first]:
        return []
    shape, usual = (tuple(splits[s].train.x.shape[1:]) for s in (seed, first))
    remedy = f"; its rows are of shape {shape}, those of seed {first} of {usual}: give splits of one shape"
    return [f"split of seed {seed}{remedy if shape != usual else ''}"]


def bar_of(jobs: Sequence[Job], progress: bool | None, title: str = "training") -> ManyBar:
    """The progress bar of jobs."""
    return ManyBar(len(jobs), sum(job.training.epochs for job in jobs), jobs[0].training.metric, progress, title)


def train_all(
    networks: Networks, jobs: Sequence[Job], loss: Loss | None, bar: ManyBar, *, population: bool | None = None
) -> Iterator[tuple[int, Result]]:
    """The results of jobs by their numbers, as they come; Ctrl-C ends it, after those that are under way were given.

    Runs that no program takes together, or that cannot be stacked, are trained apart.
    """
    together = [job for job in jobs if population is not False and not job.alone]
    apart = [job for job in jobs if population is False or job.alone]
    for structure, numbers in group([(job.key, job.recipe) for job in together]):
        chosen = [together[i] for i in numbers]
        if len(chosen) == 1:
            apart += chosen
            continue
        try:
            made = Population(networks, structure, chosen, bar)
            pays = made.prepare(forced=bool(population))
        except CannotStackError as reason:
            warnings.warn(f"goodfit: {len(chosen)} runs are trained one by one: {reason}.", stacklevel=3)
            apart += chosen
            continue
        if pays:
            yield from made.train()
        else:
            apart += chosen
    apart.sort(key=lambda job: (job.seed, job.number))  # so that what is interrupted has compared all recipes by seed
    for number, result in fit_apart(networks, apart, loss):
        epochs = len(result.history) if isinstance(result, Run) else 0
        bar.epochs(0, 0, 0.0, [result.row[f"stop_{result.metric}"]] if isinstance(result, Run) and epochs else [])
        bar.run(jobs[number].training.epochs - 1)
        yield number, result
        if isinstance(result, Run) and result.interrupted:
            raise KeyboardInterrupt
