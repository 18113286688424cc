"""Run a study: train every recipe on every fold, and compare the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from goodfit.data import Dataset, Split
from goodfit.data.kinds import kind
from goodfit.data.task import Task
from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate, candidates_from, default_candidates
from goodfit.study.design import design
from goodfit.study.keeping import open_keeper
from goodfit.study.preparation import (
    check_catalogue,
    check_fold_metric,
    check_shapes,
    check_source,
    checker,
    define,
    prepare_all,
    with_metric,
)
from goodfit.study.protocol import Protocol
from goodfit.study.result import Study
from goodfit.study.rounds import compare_all
from goodfit.study.search.budget import DEFAULT, Budget
from goodfit.study.search.plan import SearchPlan
from goodfit.study.search.samplers import SAMPLER, check_sampler
from goodfit.study.search.screening import Screening
from goodfit.study.search.setup import SearchStart, fits, search_start
from goodfit.study.search.space import Space
from goodfit.study.targets import targets_of
from goodfit.study.training import StudyTrainer, Trainer
from goodfit.train.config import Training
from goodfit.train.losses import Loss
from goodfit.train.population.jobs import Networks, Planner
from goodfit.train.population.scheduler import processes_for

LATER_ROUNDS = 5
"""Rounds of a search that are expected to follow when it is decided whether to start processes."""


def default_training(rows: int, task: Task = "classification", data_kind: str = "table") -> Training:
    """Return default training settings for a number of training rows.

    Texts and sounds are trained for fewer epochs than tables and images, because their networks cost more. Batches of
    masks are smaller, because every mask holds many targets.

    >>> default_training(1000).epochs, default_training(36_000).epochs, default_training(36_000).batch_size
    (60, 11, 128)
    >>> default_training(2000, data_kind="text").epochs
    20
    """
    size = 16 if task == "segmentation" else 64
    epochs = min(60, max(10, kind(data_kind).rows_seen // max(1, rows)))
    return Training(epochs=epochs, batch_size=size if rows < 10_000 else 2 * size)


def usual_training(split: Split) -> Training:
    """Return default training settings for a split."""
    return default_training(len(split.train), split.spec.task, split.spec.inputs.kind)


def default_network(data: Dataset | Split) -> str:
    """Return the usual network for a kind of data and a task.

    >>> from goodfit import load
    >>> default_network(load("iris"))
    'mlp'
    """
    name, task = (data.spec.inputs.kind, data.spec.task) if isinstance(data, Split) else (data.kind, data.task)
    return kind(name).default_network(task)


def run_study(
    data: Dataset | Split,
    model: nn.Module | str | None = None,
    recipes: Sequence[Recipe | str | Candidate] = (),
    training: Training | None = None,
    *,
    protocol: Protocol | None = None,
    catalogue: bool = False,
    loss: Loss | None = None,
    population: bool | None = None,
    folder: str | Path | None = None,
    storage: str | None = None,
    force: bool = False,
    progress: bool | None = None,
    on_fit: Callable[[Study], None] | None = None,
    budget: Budget | str | float | None = None,
    space: Space | Mapping[str, Any] | None = None,
    metric: str | None = None,
    sampler: str = SAMPLER,
) -> Study:
    """Find the recipe with which the network predicts best, and how sure it is; or compare recipes of your own.

    Without recipes, or with a budget or a space, it searches: many recipes and settings are screened on some folds, and
    the best of them are compared with the plain network on other folds. With recipes alone, these are compared.

    All recipes share the rows, initial weights, batches and noise of a fold, so that differences from the plain network
    are paired. The test rows are scored once, when all fits are finished, for the plain network and the best recipe.
    Ctrl-C returns the study with the fits that are finished.

    Args:
        data: the data set; or a split, whose parts are then kept.
        model: a reference network by name, or a module; None: the usual network for the kind of data (`mlp`, `cnn`,
            `mel_cnn`, `text_cnn`, `unet`). A module is reinitialized for each fold (`reset_parameters` of its layers).
        recipes: recipes to compare with the plain network, a `Candidate` if with training settings of its own. If
            empty, recipes are searched.
        training: the training settings; by default, `usual_training` of the first fold.
        protocol: folds, repeats and seed; by default, they follow from the number of rows.
        catalogue: instead of a search, compare every technique that can act on this network, at its defaults.
        loss: a loss that replaces the default of the task.
        population: train fits with the same structure together as stacked tensors: `True` wherever possible, `False`
            never, `None` where it is faster. The results agree up to rounding.
        folder: where every fit is kept as soon as it is finished. A study in that folder is continued if it is the same
            one; several processes can share it.
        storage: the database in which optuna-dashboard can watch the study: a URL, or the path of a journal file. By
            default `study.db` in the folder; without a folder there is none.
        force: overwrite another study in the folder; the same study is continued all the same.
        progress: whether to show a progress bar; None: a bar on a terminal, otherwise a line every 10 seconds.
        on_fit: called with the study after every fit.
        budget: the most time of a search (`"30s"`, `"5m"`, `"2h"`, or seconds) or the most trials (`"200trials"`); by
            default 5 minutes. It ends earlier when nothing more can be gained. A study in a folder can be continued
            with a larger budget.
        space: the techniques, strengths and settings to search, a `Space` or its mapping; by default those that apply.
        metric: the metric by which recipes are compared; by default that of `training`.
        sampler: how a search proposes recipes: "tpe", "gp", "quasi_random" or "random".

    Raises:
        InputError: `catalogue` is combined with recipes or a search; network, recipes, space and data do not fit each
            other; the metric is not defined on a part; or the folder or the database cannot be used.
    """
    searches = not catalogue and (not recipes or budget is not None or space is not None)
    check_catalogue(catalogue, recipes, budget, space)
    check_source(data)
    check_shapes(model)
    check_sampler(sampler)
    limit = Budget.of(DEFAULT if budget is None else budget)
    own_space = space if isinstance(space, Space | None) else Space(space)
    folds = design(protocol or Protocol(), data, searches)
    first = folds.first_split
    training = with_metric(training or usual_training(first), first, metric)
    check_fold_metric(training.metric, folds, first)
    model = default_network(data) if model is None else model
    networks = Networks(model, fresh=True)
    trainer = Trainer(networks, Planner(networks, loss), loss, population)
    plan = candidates_from(recipes)
    if catalogue:
        plan = default_candidates(first.spec, catalogue)
    plan, notes = prepare_all(plan, trainer.planner, first, training, drop=catalogue)
    start = (
        search_start(own_space, first.spec, training, checker(trainer.planner, first, training)) if searches else None
    )
    if start is not None:
        plan = list(dict.fromkeys([*plan, *start.fixed]))
        notes += start.notes
    notes = [*folds.notes(), f"Duplicates: {first.duplicates.text}.", *notes]
    definition = define(first, model, training, loss, folds, plan, notes)
    if start is not None:
        definition = replace(definition, search={"space": start.space.to_list(), "sampler": sampler})
    study = Study(definition, targets_of(folds), model=model if isinstance(model, nn.Module) else None)
    keeper = open_keeper(study, folder, storage, force)
    runner = StudyTrainer(study, folds, trainer, keeper, on_fit)
    if start is None:
        rounds = compare_all(definition.candidates, [fold.key for fold in folds])
        runner.train(lambda: next(rounds, None), progress)
        return study
    runner.later_calls = LATER_ROUNDS * len(folds.screening)
    planned = _search(runner, start, limit, sampler)
    runner.train(planned.decide, progress)
    study.search_notes = planned.messages()
    keeper.keep_notes(study.search_notes)
    return study


def _search(runner: StudyTrainer, start: SearchStart, budget: Budget, sampler: str) -> SearchPlan:
    """The plan of a search."""
    study, folds = runner.study, runner.design
    check = checker(runner.trainer.planner, folds.first_split, study.training)
    screening = Screening(
        study, [fold.key for fold in folds.screening], study.definition.candidates, start.starters, start.singles,
        start.space, sampler, folds.protocol.seed, runner.rounds, lambda candidate: fits(candidate, check),
    )  # fmt: skip
    processes = processes_for(folds.first_split)
    return SearchPlan(
        study, folds, screening, study.definition.candidates, budget, runner.clock, runner.rounds, processes
    )
