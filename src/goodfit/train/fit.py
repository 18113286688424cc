"""`fit`: train one network with a recipe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from goodfit.checks import whole_number
from goodfit.data import Split, default_metric
from goodfit.explanation import explain
from goodfit.linter import LintMessage
from goodfit.models import build
from goodfit.recipe import Recipe
from goodfit.surgery import copy_module
from goodfit.technique import Technique
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training
from goodfit.train.ensemble import holding
from goodfit.train.evaluate import constant
from goodfit.train.losses import Criterion, Loss, choose, probe
from goodfit.train.prepare import context, refuse_contradictions
from goodfit.train.progress import Bar
from goodfit.train.restless import restless
from goodfit.train.rng import stream
from goodfit.train.run import Run, Weights, snapshot
from goodfit.train.stages.on_epoch import RunTracker
from goodfit.train.trainer import Trainer


def fit(
    model: nn.Module | str,
    split: Split,
    recipe: Recipe | Technique | str = "",
    training: Training | None = None,
    *,
    seed: int = 0,
    loss: Loss | None = None,
    checkpoints: Checkpoints | None = None,
    progress: bool | None = None,
) -> Run:
    """Train a copy of a network with a recipe; the network that was given stays as it is.

    `model`: any module that takes (batch, *input_shape) and returns (batch, outputs); or the text of a reference
    network
    (`mlp`, `mlp:64-64`), which starts from `seed`. `loss(output, y)`: any differentiable loss in place of the usual
    one, best one number per row (`reduction="none"`), so that its standard error is known. `checkpoints` keeps weights
    on disk and resumes. `progress=None` shows a bar on a terminal only. All randomness follows from `seed`.

    Ctrl-C ends training and returns the run with its best weights, as does a loss that is no longer finite (the run's
    `stopped` says where it began and what to try).

    >>> from goodfit import load
    >>> run = fit("mlp:8", load("iris").split(), "l2=1e-3, early_stopping=5", Training(epochs=3, batch_size=32))
    >>> run.epochs, run.kept
    (3, 'best')

    Raises:
        InputError: the network, the recipe and the data do not fit each other.
        TrainingError: the loss is not finite before there is an epoch to keep.
    """
    seed = whole_number("fit", "seed", seed, 0)
    recipe, training = Recipe.of(recipe), training or Training()
    network = model if isinstance(model, str) else ""
    spec, x = split.spec, split.train.x
    if isinstance(model, str):
        trained = build(model, spec.input_shape, spec.n_outputs, stream(seed, 0, "init"), spec.inputs.vocabulary)
    else:
        trained = copy_module(model)
    if training.metric == "auto":
        training = dataclasses.replace(training, metric=default_metric(spec, split.train.y))
    with torch.random.fork_rng():
        criterion = choose(training.loss, loss, spec, probe(trained, x[:2]))
        messages = recipe.lint(trained, context(split, training, criterion.name)) + restless(trained, x)
        known = told(trained, recipe, messages)
        solo = Trainer(trained, split, recipe, training, criterion, seed)
        refuse_contradictions(messages)
        with Bar(training.epochs, solo.metric.name, progress) as bar:
            interrupted = solo.run(checkpoints, bar)
        run = _finish(solo, interrupted, network)
        run.facts |= known
        return run


def told(network: nn.Module, recipe: Recipe, messages: Sequence[LintMessage]) -> dict[str, Any]:
    """What acts where on the unchanged network, and the linter's warnings, as plain data."""
    explained = explain(network, recipe)
    return {
        "acts": [list(row) for row in explained.rows()],
        "acts_on_whole_run": list(explained.whole_run),
        "warnings": [str(message) for message in messages if message.severity == "warning"],
    }


def _finish(solo: Trainer, interrupted: bool, network: str) -> Run:
    """The run, with the kept weights in a network without noise."""
    last = snapshot(solo.shadow.network(solo.sample[0]) if solo.shadow else solo.model)
    known = facts(solo.split, solo.criterion, len(solo.sample[0]), solo.model)
    model = solo.attachment.silence()
    return finished(
        TrainingOutcome(solo.course, solo.best, last, interrupted), model, solo.recipe, solo.training, solo.seed,
        solo.split, solo.criterion.name, network, known,
    )  # fmt: skip


@dataclass(frozen=True)
class TrainingOutcome:
    """How a run came to its end, and its weights."""

    course: RunTracker
    best: Weights
    last: Weights
    interrupted: bool = False


def finished(
    end: TrainingOutcome,
    model: nn.Module,
    recipe: Recipe,
    training: Training,
    seed: int,
    split: Split,
    loss: str,
    network: str,
    facts: dict[str, Any],
) -> Run:
    """The run, in whose network the kept weights are put."""
    course, best = end.course, end.course.keeps_best(end.interrupted)
    return Run(
        model=holding(model, end.best if best else end.last, split.spec.task).eval(), history=course.history,
        recipe=recipe, training=training, seed=seed, spec=split.spec, preprocessing=split.preprocessing,
        metric=course.metric, loss=loss, kept="best" if best else "last",
        best_epoch=course.best_epoch or len(course.history), best=end.best, last=end.last, network=network,
        stopped="interrupted by the user" if end.interrupted else course.stopped, interrupted=end.interrupted,
        facts=facts,
    )  # fmt: skip


def facts(split: Split, criterion: Criterion, sample: int, model: nn.Module) -> dict[str, Any]:
    """What a diagnosis needs beside the History: row counts and the loss of a constant prediction."""
    trivial = constant(criterion, split)
    return {
        "rows_train": len(split.train), "rows_sample": sample, "rows_stop": len(split.stop),
        "baseline_loss": trivial if math.isfinite(trivial) else None, "data": split.text,
        "parameters": sum(p.numel() for p in model.parameters()),
    }  # fmt: skip
