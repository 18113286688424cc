"""Run a study: every recipe over every seed, paired, on the same splits."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

from torch import nn

from goodfit.data import Dataset, Part, Split, default_metric, metric
from goodfit.errors import InputError, TrainingError
from goodfit.models import build, initialise
from goodfit.recipe import Recipe
from goodfit.study.plan import PLAIN, Candidate, candidates, named
from goodfit.study.progress import StudyBar
from goodfit.study.result import Outcome, Study, judged
from goodfit.surgery import copied
from goodfit.train import Run, Training, fit
from goodfit.train.context import context, refuse_contradictions
from goodfit.train.losses import LOSSES, Loss, choose, probe
from goodfit.train.solo import Solo

UPDATES = 400_000
"""Training rows seen by default: enough that a plain network overfits a small set, and no more on a large one."""


def default_training(rows: int) -> Training:
    """Epochs and batch size by the number of training rows.

    >>> default_training(1000).epochs, default_training(36_000).epochs, default_training(36_000).batch_size
    (60, 11, 128)
    """
    return Training(epochs=min(60, max(10, UPDATES // max(1, rows))), batch_size=64 if rows < 10_000 else 128)


def run_study(
    data: Dataset,
    model: nn.Module | str = "mlp",
    recipes: Sequence[Recipe | str] = (),
    training: Training | None = None,
    *,
    seeds: int = 3,
    catalogue: bool = False,
    loss: Loss | None = None,
    progress: bool | None = None,
    on_outcome: Callable[[Study], None] | None = None,
) -> Study:
    """Compare recipes on a data set: which helps, by how much, how sure.

    Without `recipes`: the plain network, the usual techniques alone at their defaults (`catalogue`: every technique
    that can act on this network), and a combined recipe. Each seed draws
    its own train, stop and select parts, starting weights, batches and noise, and all recipes share them, so that
    differences to plain are paired; the test part is the same for all and is opened once, at the end, for plain and
    for the best recipe. A network of your own starts anew for each seed (`reset_parameters` of its layers).
    `on_outcome` is called after every run. Ctrl-C returns the study with the runs that were finished.

    Raises:
        InputError: fewer than one seed, or network, recipes and data do not fit each other.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InputError(f"study: seeds must be a whole number of at least 1, got {seeds!r}.")
    splits = {seed: data.split(seed) for seed in range(seeds)}
    first = splits[0]
    training = training or default_training(len(first.train))
    if training.metric == "auto":
        training = dataclasses.replace(training, metric=default_metric(first.spec, first.train.y))
    plan = named([Recipe.of(r) for r in recipes]) if recipes else candidates(first.spec, catalogue)
    plan, remarks = _try_on(plan, first, model, training, loss, drop=catalogue and not recipes)
    answer = Study(
        data.name, first.spec, training.metric, model if isinstance(model, str) else type(model).__name__, training,
        tuple(splits), {name: len(part) for name, part in first.parts.items()},
        notes=[remark for remark in (first.note, first.duplicates.text, *remarks) if remark],
    )  # fmt: skip
    with StudyBar(len(plan) * seeds, answer, progress) as bar:

        def told() -> None:
            bar.update()
            if on_outcome is not None:
                on_outcome(answer)

        _run_all(answer, plan, splits, model, loss, told)
    _open_test(answer, splits)
    return answer


def _try_on(
    plan: Sequence[Candidate], split: Split, model: nn.Module | str, training: Training, loss: Loss | None, drop: bool
) -> tuple[list[Candidate], list[str]]:
    """Put every recipe on the network once: what does not fit is refused before the first run, not after hours.

    The candidates, and remarks: what the linter finds dubious, and (with `drop`) which did not fit and were left out.
    """
    fitting, remarks = [], []
    for candidate in plan:
        network = _network(model, split)
        criterion = choose(training.loss, loss, split.spec, probe(network, split.train.x[:2]))
        try:
            Solo(copied(network), split, candidate.recipe, training, criterion, 0)
            found = candidate.recipe.lint(network, context(split, training, criterion.name))
            refuse_contradictions(found)
        except InputError as error:
            if not drop:
                raise
            remarks.append(f"left out: {candidate.label} ({error})")
            continue
        fitting.append(candidate)
        remarks += [f"{candidate.label}: {remark}" for remark in found if remark.severity == "warning"]
    return fitting, remarks


def _network(model: nn.Module | str, split: Split) -> nn.Module:
    if isinstance(model, str):
        return build(model, split.spec.input_shape, split.spec.n_outputs, 0)
    return copied(model)


def _run_all(
    answer: Study,
    plan: Sequence[Candidate],
    splits: dict[int, Split],
    model: nn.Module | str,
    loss: Loss | None,
    told: Callable[[], None],
) -> None:
    """Seed by seed, so that an interrupted study has compared all recipes on the seeds that are done."""
    try:
        for seed, split in splits.items():
            for candidate in plan:
                outcome = run_one(candidate, seed, split, model, answer.training, loss)
                if outcome.run is not None and outcome.run.interrupted:
                    raise KeyboardInterrupt
                answer.outcomes.append(outcome)
                told()
    except KeyboardInterrupt:
        answer.interrupted = True
        answer.notes.append(f"interrupted after {len(answer.outcomes)} of {len(plan) * len(splits)} runs")


def run_one(
    candidate: Candidate,
    seed: int,
    split: Split,
    model: nn.Module | str,
    training: Training,
    loss: Loss | None,
) -> Outcome:
    """Train one recipe with one seed and score its kept weights on the select part."""
    network = model if isinstance(model, str) else initialise(model, seed)
    began = time.perf_counter()
    try:
        run = fit(network, split, candidate.recipe, training, seed=seed, loss=loss, progress=False)
    except TrainingError as error:
        return Outcome(candidate, seed, math.nan, math.nan, time.perf_counter() - began, failure=str(error))
    seconds = time.perf_counter() - began
    return judged(candidate, seed, run, scores(run, split.select, loss), seconds)


def scores(run: Run, part: Part, loss: Loss | None = None) -> tuple[float, float]:
    """Metric and mean data loss of a run's kept weights on a part."""
    output = run.outputs(part.x)
    value = (loss or LOSSES[run.loss])(output, part.y).mean()
    return metric(run.metric)(output, part.y), float(value)


def _open_test(answer: Study, splits: dict[int, Split]) -> None:
    """Score plain and the best recipe on the test part: the only place where a study looks at it."""
    best = answer.best()
    if best is None or answer.interrupted:
        return
    for label in dict.fromkeys((PLAIN, best.candidate.label)):
        done = [(o.run, splits[o.seed].test) for o in answer.of(label) if o.run]
        values = [metric(run.metric)(run.outputs(test.x), test.y) for run, test in done]
        if values:
            answer.test[label] = answer.estimate(values, "test")
