"""`fit`: train one network with a recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from goodfit.checks import whole_number
from goodfit.data import Split
from goodfit.kernels.choice import KernelChoice
from goodfit.models import build
from goodfit.progress import RunProgress
from goodfit.recipe import Recipe
from goodfit.rng import stream
from goodfit.surgery import copy_module
from goodfit.technique import Technique
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training
from goodfit.train.evaluate import constant_prediction_loss
from goodfit.train.losses import Loss, probe_output
from goodfit.train.prepare import Plan, describe_recipe, prepare
from goodfit.train.run import Run, Weights, snapshot, with_weights
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
    """Train a copy of a network with a recipe.

    Ctrl-C ends training and returns the run with its best weights. If the loss is no longer finite, training ends as
    well, and the run's `stopped` says where and what to try. All randomness follows from `seed`.

    Args:
        model: any module that maps (batch, *input_shape) to (batch, outputs), which stays unchanged; or the text of a
            reference network (`mlp`, `mlp:64-64`), whose initial weights follow from `seed`.
        split: the data.
        recipe: the techniques; "" trains the plain network.
        training: optimizer, epochs, batch size and so on.
        seed: a whole number of at least 0.
        loss: any differentiable loss(output, y) in place of the default one; best one number per row
            (`reduction="none"`), so that its standard error is known.
        checkpoints: where to keep weights on disk, and whether to resume.
        progress: whether to show a progress bar; None: a bar on a terminal, otherwise a line every 10 seconds.

    >>> from goodfit import load
    >>> run = fit("mlp:8", load("iris").split(), "l2=1e-3, early_stopping=5", Training(epochs=3, batch_size=32))
    >>> run.epochs, run.kept
    (3, 'best')

    Raises:
        InputError: the network, the recipe and the data do not fit each other.
        TrainingError: the loss is not finite before there is an epoch to keep.
    """
    seed = whole_number("fit", "seed", seed, 0)
    spec = split.spec
    name = model if isinstance(model, str) else ""
    if isinstance(model, str):
        model = build(model, spec.input_shape, spec.n_outputs, stream(seed, 0, "init"), spec.inputs.vocabulary)
    with torch.random.fork_rng():
        if any(is_lazy(parameter) for parameter in model.parameters()):
            model = copy_module(model)
            probe_output(model, split.train.x[:2])  # gives lazy layers their shapes
        network = copy_module(model)
        plan = prepare(network, split, Recipe.of(recipe), training or Training(), loss)
        trainer = Trainer(network, plan, split, seed)
        with RunProgress(plan.training.epochs, trainer.metric.name, progress) as bar:
            interrupted = trainer.train(checkpoints, bar)
        metadata = run_metadata(split, plan, len(trainer.sample[0]), network, trainer.kernels)
        metadata |= describe_recipe(model, plan)
        last = snapshot(trainer.network_to_keep())
        trainer.kernels.undo(network)
        outcome = TrainingOutcome(trainer.tracker, trainer.best, last, interrupted)
        return build_run(outcome, trainer.attachment.remove_training_hooks(), plan, split, seed, name, metadata)


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training run ended, and its weights."""

    tracker: RunTracker
    best: Weights
    last: Weights
    interrupted: bool = False


def build_run(
    outcome: TrainingOutcome,
    model: nn.Module,
    plan: Plan,
    split: Split,
    seed: int,
    network: str,
    metadata: Mapping[str, Any],
) -> Run:
    """The run with its kept weights in the network; `network`: the text of a reference network, else empty."""
    tracker, interrupted = outcome.tracker, outcome.interrupted
    best = tracker.keeps_best(interrupted)
    return Run(
        model=with_weights(model, outcome.best if best else outcome.last, split.spec.task).eval(),
        history=tracker.history, recipe=plan.recipe, training=plan.training, seed=seed, spec=split.spec,
        preprocessing=split.preprocessing, metric=tracker.metric, loss=plan.criterion.name,
        kept="best" if best else "last", best_epoch=tracker.best_epoch or len(tracker.history), best=outcome.best,
        last=outcome.last, network=network, stopped="interrupted by the user" if interrupted else tracker.stopped,
        interrupted=interrupted, metadata=dict(metadata),
    )  # fmt: skip


def run_metadata(split: Split, plan: Plan, sample_rows: int, model: nn.Module, kernels: KernelChoice) -> dict[str, Any]:
    """The data of a diagnosis and a report that the History lacks: row counts, the loss of a constant prediction, ….

    `sample_rows`: the training rows that are evaluated each epoch.
    """
    baseline = constant_prediction_loss(plan.criterion, split)
    return {
        "rows_train": len(split.train), "rows_sample": sample_rows, "rows_stop": len(split.stop),
        "baseline_loss": baseline if math.isfinite(baseline) else None, "data": split.text,
        "parameters": sum(p.numel() for p in model.parameters()),
        **kernels.describe(model, split.train.x, plan.training.rows_at_once),
    }  # fmt: skip
