"""Run a study: train every recipe with every seed on shared splits."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

from torch import nn

from goodfit.checks import whole_number
from goodfit.data import Dataset, Part, Split, default_metric, metric
from goodfit.data.kinds import kind
from goodfit.data.task import Task
from goodfit.errors import InputError, TrainingError
from goodfit.recipe import Recipe
from goodfit.study.candidates import PLAIN, Candidate, candidates_from, default_candidates
from goodfit.study.result import Study, Trial, build_trial
from goodfit.study.statistics import Estimate
from goodfit.train.config import Training
from goodfit.train.evaluate import evaluate
from goodfit.train.fit_many import many_progress
from goodfit.train.losses import LOSSES, Criterion, Loss
from goodfit.train.population.jobs import Job, Networks, Planner, PreparedRecipe, jobs_of
from goodfit.train.population.scheduler import run_jobs
from goodfit.train.prepare import check_metric
from goodfit.train.run import Run

ROWS_SEEN = 400_000
"""Training rows that a default run sees in total: enough for a plain network to overfit a small data set."""


def default_training(rows: int, task: Task = "classification") -> Training:
    """Return default training settings for a number of training rows.

    Batches of masks are smaller, because every mask holds many targets.

    >>> default_training(1000).epochs, default_training(36_000).epochs, default_training(36_000).batch_size
    (60, 11, 128)
    """
    size = 16 if task == "segmentation" else 64
    return Training(epochs=min(60, max(10, ROWS_SEEN // max(1, rows))), batch_size=size if rows < 10_000 else 2 * size)


def default_network(data: Dataset) -> str:
    """Return the usual network for a kind of data and a task.

    >>> from goodfit import load
    >>> default_network(load("iris"))
    'mlp'
    """
    return kind(data.kind).default_network(data.task)


def run_study(
    data: Dataset,
    model: nn.Module | str | None = None,
    recipes: Sequence[Recipe | str] = (),
    training: Training | None = None,
    *,
    seeds: int = 3,
    catalogue: bool = False,
    loss: Loss | None = None,
    population: bool | None = None,
    progress: bool | None = None,
    on_trial: Callable[[Study], None] | None = None,
) -> Study:
    """Train every recipe with several seeds and compare the scores.

    All recipes share the splits, starting weights, batches and noise of a seed, so that differences from the plain
    network are paired. Each seed draws its own train, stop and validation parts; the test part is the same for all
    seeds and is evaluated once, at the end, for the plain network and the best recipe. Ctrl-C returns the study with
    the runs that are finished.

    Args:
        data: the data set.
        model: a reference network by name, or a module; None: the usual network for the kind of data (`mlp`, `cnn`,
            `mel_cnn`, `text_cnn`, `unet`). A module is reinitialized for each seed (`reset_parameters` of its layers).
        recipes: the recipes to compare with the plain network. If empty: the usual techniques at their defaults, each
            alone, and one combined recipe.
        training: the training settings; by default, `default_training` for the number of training rows.
        seeds: the number of seeds per recipe.
        catalogue: compare every technique that can act on this network, not only the usual ones; without `recipes`.
        loss: a loss that replaces the default of the task.
        population: train runs with the same structure together as stacked tensors: `True` wherever possible, `False`
            never, `None` where it is faster. The results agree up to rounding.
        progress: whether to show a progress bar; None: a bar on a terminal, otherwise a line every 10 seconds.
        on_trial: called with the study after every run.

    Raises:
        InputError: `seeds` is less than 1, `catalogue` is combined with recipes, or network, recipes and data do not
            fit each other.
    """
    _check_catalogue(catalogue, recipes)
    seeds = whole_number("study", "seeds", seeds, 1)
    splits = {seed: data.split(seed) for seed in range(seeds)}
    first = splits[0]
    training = _with_metric(training or default_training(len(first.train), first.spec.task), first)
    for split in splits.values():
        check_metric(training.metric, split, "validation")
    plan = candidates_from([Recipe.of(r) for r in recipes]) if recipes else default_candidates(first.spec, catalogue)
    model = default_network(data) if model is None else model
    networks = Networks(model, fresh=True)
    plan, prepared, notes = _prepare_all(plan, networks, first, training, loss, drop=catalogue)
    study = Study(
        data.name, first.spec, training.metric, model if isinstance(model, str) else type(model).__name__, training,
        tuple(splits), {name: len(part) for name, part in first.parts.items()},
        notes=[note for note in (first.note, f"Duplicates: {first.duplicates.text}.", *notes) if note],
    )  # fmt: skip
    jobs, candidates = jobs_of(prepared, splits), [candidate for candidate in plan for _ in splits]
    order = {id(candidate): number for number, candidate in enumerate(plan)}
    with many_progress(jobs, progress, f"study of {study.name}") as bar, _stopped_by_ctrl_c(study, len(jobs)):
        for number, result in run_jobs(networks, jobs, loss, bar, population=population):
            study.trials.append(_to_trial(candidates[number], jobs[number], result, loss))
            bar.note = _leader(study)
            if on_trial is not None:
                on_trial(study)
    study.trials.sort(key=lambda trial: (trial.seed, order[id(trial.candidate)]))
    with _stopped_by_ctrl_c(study, len(jobs)):
        study.test = _test_scores(study, splits, loss)
    return study


def _check_catalogue(catalogue: bool, recipes: Sequence[Recipe | str]) -> None:
    if catalogue and recipes:
        raise InputError(
            f"study: catalogue=True compares all techniques and must be used without recipes, got {len(recipes)} of "
            "them; leave out the recipes or catalogue."
        )


def _with_metric(training: Training, split: Split) -> Training:
    """Return the settings with the default metric of the data in place of "auto"."""
    if training.metric != "auto":
        return training
    return dataclasses.replace(training, metric=default_metric(split.spec, split.train.y))


@contextlib.contextmanager
def _stopped_by_ctrl_c(study: Study, runs: int) -> Iterator[None]:
    """On Ctrl-C, mark the study as interrupted; it keeps the trials that are finished."""
    try:
        yield
    except KeyboardInterrupt:
        study.interrupted = True
        study.notes.append(f"interrupted after {len(study.trials)} of {runs} runs")


def _leader(study: Study) -> str:
    """Return the note of the progress bar: the best recipe so far."""
    best = study.best()
    return f"best: {best.candidate.label} {best.score.mean:.4f}" if best else ""


def _prepare_all(
    plan: Sequence[Candidate], networks: Networks, split: Split, training: Training, loss: Loss | None, drop: bool
) -> tuple[list[Candidate], list[PreparedRecipe], list[str]]:
    """Prepare every recipe before the first run, so that errors come at once.

    Returns the candidates that fit, their prepared recipes, and notes: the warnings of the linter and, with `drop`, the
    candidates that do not fit and were left out.
    """
    fitting, prepared, notes, planner = [], [], [], Planner(networks, loss)
    for candidate in plan:
        try:
            recipe = planner(split, candidate.recipe, training)
        except InputError as error:
            if not drop:
                raise
            notes.append(f"left out: {candidate.label} ({error})")
            continue
        fitting.append(candidate)
        prepared.append(recipe)
        notes += [f"{candidate.label}: {message}" for message in planner.description(recipe, split)["warnings"]]
    return fitting, prepared, notes


def _to_trial(candidate: Candidate, job: Job, result: Run | TrainingError, loss: Loss | None) -> Trial:
    """Score the kept weights of a finished run on the validation part; record why a run failed.

    Raises:
        KeyboardInterrupt: Ctrl-C ended the run before it was finished.
    """
    if isinstance(result, TrainingError):
        return Trial(candidate, job.seed, math.nan, math.nan, math.nan, failure=str(result))
    if result.interrupted:
        raise KeyboardInterrupt
    metric_and_loss = scores(result, job.split.validation, loss)
    return build_trial(candidate, job.seed, result, metric_and_loss, sum(result.history["seconds"]))


def scores(run: Run, part: Part, loss: Loss | None = None) -> tuple[float, float]:
    """Return the metric and the mean data loss of a run's kept weights on a data part."""
    criterion = Criterion(run.loss, loss or LOSSES[run.loss])
    evaluation = evaluate(run.model, part.x, part.y, criterion, metric(run.metric))
    return evaluation.metric, evaluation.loss


def _test_scores(study: Study, splits: dict[int, Split], loss: Loss | None) -> dict[str, Estimate]:
    """Return the scores of the plain network and the best recipe on the test part, which nothing else here uses."""
    best, test = study.best(), {}
    if best is None or study.interrupted:
        return {}
    for label in dict.fromkeys((PLAIN, best.candidate.label)):
        values = [scores(trial.run, splits[trial.seed].test, loss)[0] for trial in study.trials_of(label) if trial.run]
        if values:
            test[label] = study.estimate(values, "test")
    return test
