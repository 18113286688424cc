"""Run a study: every recipe over every seed, paired, on the same splits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from torch import nn

from goodfit.checks import whole_number
from goodfit.data import Dataset, Part, Split, default_metric, metric
from goodfit.data.task import Task
from goodfit.errors import InputError, TrainingError
from goodfit.recipe import Recipe
from goodfit.study.candidates import PLAIN, Candidate, candidates, candidates_of
from goodfit.study.result import Study, Trial, build_trial
from goodfit.train.config import Training
from goodfit.train.evaluate import measure
from goodfit.train.fit_many import bar_of, train_all
from goodfit.train.losses import LOSSES, Criterion, Loss
from goodfit.train.population.jobs import Checked, Checker, Job, Networks, jobs_of
from goodfit.train.run import Run

UPDATES = 400_000
"""Training rows seen by default: enough that a plain network overfits a small set, and no more on a large one."""


def default_training(rows: int, task: Task = "classification") -> Training:
    """Epochs and batch size by the number of training rows; smaller batches of masks, each of which is many targets.

    >>> default_training(1000).epochs, default_training(36_000).epochs, default_training(36_000).batch_size
    (60, 11, 128)
    """
    size = 16 if task == "segmentation" else 64
    return Training(epochs=min(60, max(10, UPDATES // max(1, rows))), batch_size=size if rows < 10_000 else 2 * size)


def run_study(
    data: Dataset,
    model: nn.Module | str = "mlp",
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
        model: a reference network by name, or a module. A module is reinitialized for each seed (`reset_parameters` of
            its layers).
        recipes: the recipes to compare with the plain network. If empty: the usual techniques at their defaults, each
            alone, and one combined recipe.
        training: the training settings; by default, `default_training` for the number of training rows.
        seeds: the number of seeds per recipe.
        catalogue: without `recipes`, compare every technique that can act on this network, not only the usual ones.
        loss: a loss that replaces the default of the task.
        population: train runs with the same structure together as stacked tensors: `True` wherever possible, `False`
            never, `None` where it is faster. The results agree up to rounding.
        progress: show a progress bar; by default, only in a terminal.
        on_trial: called with the study after every run.

    Raises:
        InputError: `seeds` is less than 1, or network, recipes and data do not fit each other.
    """
    seeds = whole_number("study", "seeds", seeds, 1)
    splits = {seed: data.split(seed) for seed in range(seeds)}
    first = splits[0]
    training = training or default_training(len(first.train), first.spec.task)
    if training.metric == "auto":
        training = dataclasses.replace(training, metric=default_metric(first.spec, first.train.y))
    plan = candidates_of([Recipe.of(r) for r in recipes]) if recipes else candidates(first.spec, catalogue)
    networks = Networks(model, fresh=True)
    plan, checked, remarks = _try_on(plan, networks, first, training, loss, drop=catalogue and not recipes)
    answer = Study(
        data.name, first.spec, training.metric, model if isinstance(model, str) else type(model).__name__, training,
        tuple(splits), {name: len(part) for name, part in first.parts.items()},
        notes=[remark for remark in (first.note, first.duplicates.text, *remarks) if remark],
    )  # fmt: skip
    jobs = jobs_of(checked, splits)
    labels = [candidate for candidate in plan for _ in splits]
    with bar_of(jobs, progress, f"study of {answer.name}") as bar:
        try:
            for number, result in train_all(networks, jobs, loss, bar, population=population):
                if isinstance(result, Run) and result.interrupted:
                    raise KeyboardInterrupt
                answer.trials.append(_to_trial(labels[number], jobs[number], result, loss))
                best = answer.best()
                bar.note = f"first: {best.candidate.label} {best.score.mean:.4f}" if best else ""
                if on_trial is not None:
                    on_trial(answer)
        except KeyboardInterrupt:
            answer.interrupted = True
            answer.notes.append(f"interrupted after {len(answer.trials)} of {len(jobs)} runs")
    place = {id(candidate): number for number, candidate in enumerate(plan)}
    answer.trials.sort(key=lambda o: (o.seed, place[id(o.candidate)]))
    _open_test(answer, splits, loss)
    return answer


def _try_on(
    plan: Sequence[Candidate], networks: Networks, split: Split, training: Training, loss: Loss | None, drop: bool
) -> tuple[list[Candidate], list[Checked], list[str]]:
    """Put every recipe on the network once: what does not fit is refused before the first run, not after hours.

    The candidates, and messages: the linter's warnings, and (with `drop`) the recipes that did not fit.
    """
    fitting, checked, remarks, check = [], [], [], Checker(networks, loss)
    for candidate in plan:
        try:
            found = check(split, candidate.recipe, training)
        except InputError as error:
            if not drop:
                raise
            remarks.append(f"left out: {candidate.label} ({error})")
            continue
        fitting.append(candidate)
        checked.append(found)
        remarks += [f"{candidate.label}: {remark}" for remark in found.known["warnings"]]
    return fitting, checked, remarks


def _to_trial(candidate: Candidate, job: Job, result: Run | TrainingError, loss: Loss | None) -> Trial:
    """A finished run with the score of its kept weights on the validation part."""
    if isinstance(result, TrainingError):
        return Trial(candidate, job.seed, math.nan, math.nan, math.nan, failure=str(result))
    reached = scores(result, job.split.validation, loss)
    return build_trial(candidate, job.seed, result, reached, sum(result.history["seconds"]))


def scores(run: Run, part: Part, loss: Loss | None = None) -> tuple[float, float]:
    """Metric and mean data loss of a run's kept weights on a part."""
    found = measure(run.model, part.x, part.y, Criterion(run.loss, loss or LOSSES[run.loss]), metric(run.metric))
    return found.metric, found.loss


def _open_test(answer: Study, splits: dict[int, Split], loss: Loss | None) -> None:
    """Score plain and the best recipe on the test part: the only place where a study looks at it."""
    best = answer.best()
    if best is None or answer.interrupted:
        return
    for label in dict.fromkeys((PLAIN, best.candidate.label)):
        values = [scores(o.run, splits[o.seed].test, loss)[0] for o in answer.of(label) if o.run]
        if values:
            answer.test[label] = answer.estimate(values, "test")
