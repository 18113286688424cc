"""`fit_many`: train a network with many recipes and seeds at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from goodfit.checks import as_python_int, is_whole_number
from goodfit.data import Split, metric
from goodfit.errors import InputError, TrainingError
from goodfit.progress import ManyProgress
from goodfit.recipe import Recipe
from goodfit.technique import Technique
from goodfit.train.config import Training
from goodfit.train.losses import Loss
from goodfit.train.population.jobs import Job, Networks, Planner
from goodfit.train.population.scheduler import Result, run_jobs
from goodfit.train.run import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FailedRun:
    """A requested run without an epoch to keep: its loss was not finite, or Ctrl-C came before its first epoch."""

    recipe: Recipe
    seed: int
    error: TrainingError


@dataclass(frozen=True, eq=False)
class FitManyResult:
    """The runs of `fit_many`, ordered by recipe and then by seed. Iterating and indexing give the runs."""

    runs: tuple[Run, ...]
    failed: tuple[FailedRun, ...]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: int) -> Run:
        return self.runs[index]

    def frame(self) -> pd.DataFrame:
        """A pandas frame with a row for each requested run: recipe, seed, epochs, the History's row at the kept epoch,
        and why it stopped or failed."""
        import pandas as pd

        rows: list[dict[str, Any]] = [
            {"recipe": str(run.recipe), "seed": run.seed, "epochs": run.epochs, "kept_epoch": run.kept_epoch,
             **{name: value for name, value in run.row.items() if name != "epoch"}, "stopped": run.stopped}
            for run in self.runs
        ]  # fmt: skip
        rows += [{"recipe": str(run.recipe), "seed": run.seed, "stopped": str(run.error)} for run in self.failed]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"FitManyResult({len(self.runs)} runs, {len(self.failed)} failed)"


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
) -> FitManyResult:
    """Train a network with many recipes and seeds. Each run equals that of `fit` with the same recipe and seed.

    Runs of one structure are trained together as one program of stacked tensors. Each of these members has its own
    strengths, learning rate, rows and random numbers, and stops independently of the others. Runs that cannot be
    stacked are trained one by one, as are runs for which a short measurement finds this faster.

    Args:
        model: as in `fit`.
        split: the data of all runs; or a split for each seed, whose keys are then the seeds.
        recipes: the recipes to train; "" is the plain network.
        training: settings for all runs, or one for each recipe.
        seeds: different whole numbers of at least 0; None: 0 alone, or the keys of `split`.
        fresh: whether a module gets new initial weights from each seed, as a reference network (`mlp:64-64`) always
            does; otherwise each run starts with the weights that the module has.
        loss: as in `fit`.
        population: True: train runs together wherever possible; False: never; None: where it is faster.
        progress: whether to show a progress bar; None: a bar on a terminal, otherwise a line every 10 seconds.

    >>> from goodfit import load
    >>> result = fit_many("mlp:8", load("iris").split(), ["", "l2=1e-3"], Training(epochs=2), seeds=(0, 1))
    >>> [(str(run.recipe), run.seed) for run in result]
    [('plain', 0), ('plain', 1), ('l2=0.001', 0), ('l2=0.001', 1)]

    Raises:
        InputError: the network, a recipe and the data do not fit each other, or the seeds are not those of the splits;
            nothing is trained then.
    """
    splits, networks = _splits_by_seed(split, seeds), Networks(model, fresh)
    jobs = _jobs(Planner(networks, loss), _settings(recipes, training), splits)
    results: dict[int, Result] = {}
    with many_progress(jobs, progress) as bar:
        try:
            for number, result in run_jobs(networks, jobs, loss, bar, population=population):
                results[number] = result
        except KeyboardInterrupt:
            pass  # `results` holds the runs that were trained so far
    return _in_order(jobs, results)


def _in_order(jobs: Sequence[Job], results: Mapping[int, Result]) -> FitManyResult:
    """The runs and the failed runs in the order of the jobs; jobs without a result have failed."""
    missing = TrainingError("training: interrupted by the user before the first epoch of this run was completed.")
    outcomes = [(job, results.get(job.number, missing)) for job in jobs]
    runs = tuple(result for _, result in outcomes if isinstance(result, Run))
    failed = (FailedRun(j.plan.recipe, j.seed, error) for j, error in outcomes if isinstance(error, TrainingError))
    return FitManyResult(runs, tuple(failed))


def many_progress(jobs: Sequence[Job], show: bool | None, title: str = "training") -> ManyProgress:
    """The progress bar of jobs."""
    epochs = sum(job.plan.training.epochs for job in jobs)
    scored = metric(jobs[0].plan.training.metric)
    return ManyProgress(len(jobs), epochs, scored.name, scored.higher_is_better, show, title)


def _settings(
    recipes: Sequence[Recipe | Technique | str], training: Training | Sequence[Training] | None
) -> list[tuple[Recipe, Training]]:
    """Each recipe with its training settings."""
    if isinstance(recipes, str | Recipe | Technique):
        raise InputError(f"fit_many: recipes must be a list, got {recipes!r}; write [{recipes!r}] for a single one.")
    if not len(recipes):
        raise InputError(f'fit_many: recipes must not be empty, got {recipes!r}; "" is the plain network.')
    single = training is None or isinstance(training, Training)
    settings = [training or Training()] * len(recipes) if single else list(training)  # type: ignore[arg-type]
    if len(settings) != len(recipes):
        raise InputError(
            f"fit_many: training must be one, or one for each recipe, got {len(settings)} for {len(recipes)} recipes."
        )
    return list(zip(map(Recipe.of, recipes), settings, strict=True))  # type: ignore[arg-type]


def _splits_by_seed(split: Split | Mapping[int, Split], seeds: Sequence[int] | None) -> dict[int, Split]:
    keys = tuple(split) if isinstance(split, Mapping) else (0,)
    if isinstance(seeds, int):
        raise InputError(f"fit_many: seeds must be a list, got seeds={seeds!r}; pass range({seeds}).")
    requested = keys if seeds is None else tuple(map(as_python_int, seeds))
    valid = all(is_whole_number(seed, 0) for seed in requested)
    if not requested or not valid or len(set(requested)) < len(requested):
        raise InputError(f"fit_many: seeds must be different whole numbers of at least 0, got seeds={requested!r}.")
    if not isinstance(split, Mapping):
        return dict.fromkeys(requested, split)
    if requested != keys:
        raise InputError(f"fit_many: seeds must be those of the splits, {keys!r}, got {requested!r}; leave seeds out.")
    first, *others = ((seed, f"{own.spec.task} with {own.spec.n_outputs} output(s)") for seed, own in split.items())
    for seed, task in others:
        if task != first[1]:
            raise InputError(
                f"fit_many: all splits must have one task, got {first[1]} for seed {first[0]} and {task} for seed "
                f"{seed}; call fit_many for each task."
            )
    return dict(split)


def _jobs(planner: Planner, settings: Sequence[tuple[Recipe, Training]], splits: Mapping[int, Split]) -> list[Job]:
    """The jobs; the recipes are the outer loop.

    Raises:
        InputError: a recipe does not fit the network or the data; names it if there are several.
    """
    jobs: list[Job] = []
    for recipe, training in settings:
        for seed, split in splits.items():
            try:
                jobs.append(planner(split, recipe, training).job(len(jobs), seed, split))
            except InputError as error:
                which = [f"recipe '{recipe}'"] * (len(settings) > 1) + _different_split(seed, splits)
                raise type(error)(f"{error} ({'; '.join(which)})" if which else str(error)) from None
    return jobs


def _different_split(seed: int, splits: Mapping[int, Split]) -> list[str]:
    """For an error message: the split of a seed, if it is not that of the first seed."""
    first = next(iter(splits))
    if splits[seed] is splits[first]:
        return []
    shape, usual = (tuple(splits[s].train.x.shape[1:]) for s in (seed, first))
    remedy = f"; its rows have the shape {shape}, those of seed {first} {usual}: give splits of one shape"
    return [f"split of seed {seed}{remedy if shape != usual else ''}"]
