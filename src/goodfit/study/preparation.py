"""Preparation of a study: checks before the first fit, and what the study is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from goodfit.data import Dataset, Split, default_metric
from goodfit.data import metric as find_metric
from goodfit.data.fingerprint import fingerprint
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.study.definition import Definition
from goodfit.study.design import Design
from goodfit.study.identity import loss_text, modules_of
from goodfit.study.scores import check_task_metric
from goodfit.train.config import Training
from goodfit.train.losses import Loss
from goodfit.train.population.jobs import Planner
from goodfit.train.prepare import check_metric


def check_source(data: Dataset | Split) -> None:
    """Check that the data are a data set or a split.

    Raises:
        InputError: they are something else.
    """
    if not isinstance(data, Dataset | Split):
        raise InputError(f"study: data must be a Dataset or a Split, got {type(data).__name__}; use goodfit.load(…).")


def check_shapes(model: nn.Module | str | None) -> None:
    """Check that the network has no lazy layers.

    Raises:
        InputError: it has one.
    """
    lazy = [n for n, p in model.named_parameters() if is_lazy(p)] if isinstance(model, nn.Module) else []
    if lazy:
        raise InputError(
            f"study: the layers of the network must have shapes, got the lazy '{lazy[0]}'; call the network once on a "
            "batch before the study."
        )


def check_catalogue(catalogue: bool, recipes: Sequence[Recipe | str | Candidate], budget: Any, space: Any) -> None:
    """Check that the catalogue is not combined with recipes or a search.

    Raises:
        InputError: it is.
    """
    if catalogue and (budget is not None or space is not None):
        option = f"budget={budget!r}" if budget is not None else f"space={space!r}"
        raise InputError(f"study: catalogue=True searches nothing and must be used without {option}; leave out one.")
    if catalogue and recipes:
        raise InputError(
            f"study: catalogue=True compares all techniques and must be used without recipes, got {len(recipes)} of "
            "them; leave out the recipes or catalogue."
        )


def with_metric(training: Training, split: Split, name: str | None) -> Training:
    """The settings with the metric of this name, and with the default metric of the data in place of "auto"."""
    if name is not None:
        training = dataclasses.replace(training, metric=find_metric(name).name if name != "auto" else name)
    if training.metric != "auto":
        return training
    return dataclasses.replace(training, metric=default_metric(split.spec, split.train.y))


def check_fold_metric(name: str, folds: Design, first: Split) -> None:
    """Check before training that the metric is defined on the stop and validation rows of all folds.

    Raises:
        InputError: it is not.
    """
    check_task_metric(name, first.spec)
    rows = sum(map(len, first.parts.values()))
    for fold in (*folds, *folds.screening):
        for part in ("stop", "validation"):
            check_metric(name, fold.targets(part), part, rows, first.spec.classes)


def prepare_all(
    plan: Sequence[Candidate], planner: Planner, split: Split, training: Training, drop: bool
) -> tuple[list[Candidate], list[str]]:
    """Prepare every recipe before the first fit, so that errors come at once.

    Returns the candidates that fit, and notes: the warnings of the linter and, with `drop`, the candidates that do not
    fit and were left out.

    Raises:
        InputError: without `drop`, a candidate does not fit.
    """
    fitting, notes = [], []
    for candidate in plan:
        try:
            recipe = planner(split, candidate.recipe, candidate.settings(training))
        except InputError as error:
            if not drop:
                raise
            notes.append(f"left out: {candidate.label} ({error})")
            continue
        fitting.append(candidate)
        notes += [f"{candidate.label}: {message}" for message in planner.description(recipe, split)["warnings"]]
    return fitting, notes


def checker(planner: Planner, split: Split, training: Training) -> Callable[[Candidate], None]:
    """A function that raises InputError if a candidate does not fit the network and the data."""

    def check(candidate: Candidate) -> None:
        planner(split, candidate.recipe, candidate.settings(training))

    return check


def define(
    first: Split, model: nn.Module | str, training: Training, loss: Loss | None, folds: Design,
    plan: Sequence[Candidate], notes: Sequence[str],
) -> Definition:  # fmt: skip
    """The definition of a study."""
    rows = {name: len(part) for name, part in first.parts.items()}
    network = model if isinstance(model, str) else type(model).__name__
    return Definition(
        first.spec.name, fingerprint(folds.folds[0].source), rows, first.spec, network, modules_of(model), training,
        training.metric, loss_text(loss), folds.protocol, folds.text, tuple(plan), tuple(notes),
    )  # fmt: skip
