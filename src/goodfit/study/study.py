"""Run a study: every recipe over every seed, paired, on the same splits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from torch import nn

from goodfit.data import Dataset, Part, Split, default_metric, metric
from goodfit.data.task import Task
from goodfit.errors import InputError, TrainingError
from goodfit.recipe import Recipe
from goodfit.study.plan import PLAIN, Candidate, candidates, named
from goodfit.study.result import Outcome, Study, judged
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
    on_outcome: Callable[[Study], None] | None = None,
) -> Study:
    """Compare recipes on a data set: which helps, by how much, how sure.

    Without `recipes`: the plain network, the usual techniques alone at their defaults (`catalogue`: every technique
    that can act on this network), and a combined recipe. Each seed draws its own train, stop and validation parts,
    starting weights, batches and noise, and all recipes share them, so that differences to plain are paired; the test
    part is the same for all and is opened once, at the end, for plain and for the best recipe. A network of your own
    starts anew for each seed (`reset_parameters` of its layers). Runs of one structure are trained together where that
    is faster (`population=True`: where it can be done, `False`: not at all), with the same results to rounding.
    `on_outcome` is called after every run. Ctrl-C returns the study with the runs that were finished.

    Raises:
        InputError: fewer than one seed, or network, recipes and data do not fit each other.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InputError(f"study: seeds must be a whole number of at least 1, got {seeds!r}.")
    splits = {seed: data.split(seed) for seed in range(seeds)}
    first = splits[0]
    training = training or default_training(len(first.train), first.spec.task)
    if training.metric == "auto":
        training = dataclasses.replace(training, metric=default_metric(first.spec, first.train.y))
    plan = named([Recipe.of(r) for r in recipes]) if recipes else candidates(first.spec, catalogue)
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
                answer.outcomes.append(_outcome(labels[number], jobs[number], result, loss))
                best = answer.best()
                bar.note = f"first: {best.candidate.label} {best.score.mean:.4f}" if best else ""
                if on_outcome is not None:
                    on_outcome(answer)
        except KeyboardInterrupt:
            answer.interrupted = True
            answer.notes.append(f"interrupted after {len(answer.outcomes)} of {len(jobs)} runs")
    place = {id(candidate): number for number, candidate in enumerate(plan)}
    answer.outcomes.sort(key=lambda o: (o.seed, place[id(o.candidate)]))
    _open_test(answer, splits, loss)
    return answer


def _try_on(
    plan: Sequence[Candidate], networks: Networks, split: Split, training: Training, loss: Loss | None, drop: bool
) -> tuple[list[Candidate], list[Checked], list[str]]:
    """Put every recipe on the network once: what does not fit is refused before the first run, not after hours.

    The candidates, and remarks: what the linter finds dubious, and (with `drop`) which did not fit and were left out.
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


def _outcome(candidate: Candidate, job: Job, result: Run | TrainingError, loss: Loss | None) -> Outcome:
    """A finished run with the score of its kept weights on the validation part."""
    if isinstance(result, TrainingError):
        return Outcome(candidate, job.seed, math.nan, math.nan, math.nan, failure=str(result))
    reached = scores(result, job.split.validation, loss)
    return judged(candidate, job.seed, result, reached, sum(result.history["seconds"]))


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
