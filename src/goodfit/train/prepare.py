"""`prepare`: checks a network, data, a recipe and training settings against each other, and plans the training."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from goodfit import surgery
from goodfit.data import Split, default_metric, metric
from goodfit.data.split import rows_enough
from goodfit.errors import InputError
from goodfit.explanation import explain
from goodfit.linter import Context, LintMessage, contradictions
from goodfit.recipe import Recipe
from goodfit.stages import OnEval, OnWeights, Synthesis
from goodfit.stages.weight_targets import weight_targets
from goodfit.technique import Technique
from goodfit.train.config import Training
from goodfit.train.losses import Criterion, Loss, choose_criterion, probe_output
from goodfit.train.phases import Phase, phases_of
from goodfit.train.stages.on_batch import BatchTransforms, DataStats, check_batch, check_targets
from goodfit.train.stages.on_epoch import check_monitors
from goodfit.train.stages.on_eval import single_averaging
from goodfit.train.stages.on_model import Attachment, attach_layers

PROBE_ROWS = 64
"""Rows on which a network is checked for randomness in evaluation mode."""


@dataclass(frozen=True, eq=False)
class NetworkProbe:
    """What is known about a network on some data without a recipe; shared by all recipes that are prepared on them."""

    output: Tensor  # for two rows
    metric: str  # the default metric
    messages: tuple[LintMessage, ...]
    checked: set[Hashable] = field(default_factory=set)
    """Structures of recipes that are known to fit: whether one fits does not depend on its strengths."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A recipe that fits the network and the data, with everything that is decided before training."""

    recipe: Recipe
    training: Training  # with the chosen metric in place of "auto"
    criterion: Criterion
    phases: tuple[Phase, ...]  # of a training step, in order
    context: Context  # what the linter knows about the training
    messages: tuple[LintMessage, ...]  # warnings about the network


def prepare(
    model: nn.Module,
    split: Split,
    recipe: Recipe,
    training: Training,
    loss: Loss | None = None,
    probe: NetworkProbe | None = None,
) -> Plan:
    """Check a network, data, a recipe and training settings against each other. Nothing is trained or changed.

    `probe`: what `probe_network` has returned for this network and data, to compute it once for many recipes.

    Raises:
        InputError: two of them do not fit each other.
    """
    probe = probe or probe_network(model, split)
    if training.metric == "auto":
        training = training.with_values(metric=probe.metric)
    rows = sum(map(len, split.parts.values()))
    check_metric(training.metric, split.stop.y, "stop", rows, split.spec.classes)
    criterion = choose_criterion(training.loss, loss, split.spec, probe.output)
    structure = training.batch_size, training.accumulate, tuple(map(_structure, recipe)), training.metric
    if structure not in probe.checked:
        _check_fit(model, split, recipe, training)
        probe.checked.add(structure)
    for synthesis in recipe.at(Synthesis):
        synthesis.check(split.train.x, split.train.y, split.spec.inputs)
    context = lint_context(split, training, criterion.name)
    refuse_contradictions(model, recipe, context)
    return Plan(recipe, training, criterion, phases_of(recipe), context, probe.messages)


def check_metric(name: str, y: Tensor, part: str, rows: int, classes: Sequence[str]) -> None:
    """Check that a metric is defined for the targets y (n, …) of a part of the data.

    `rows`: of all parts, for the message.

    Raises:
        InputError: it is not.
    """
    if metric(name).is_defined(y):
        return
    raise InputError(
        f"metric: {name} needs rows of two classes, got {len(y)} {part} rows of class '{classes[int(y[0])]}' alone; "
        f"use data with about {rows_enough(rows, len(y))} rows of each class, other sizes of the parts, or another "
        "metric."
    )


def probe_network(model: nn.Module, split: Split) -> NetworkProbe:
    """Check that a network can process the data.

    Raises:
        InputError: the network cannot process them.
    """
    x = split.train.x
    output, usual = probe_output(model, x[:2]), default_metric(split.spec, split.train.y)
    return NetworkProbe(output, usual, tuple(warn_if_nondeterministic(model, x)))


def warn_if_nondeterministic(network: nn.Module, x: Tensor) -> list[LintMessage]:
    """A warning if a network's output for a few rows differs between two passes in evaluation mode.

    >>> print(*warn_if_nondeterministic(nn.Dropout(0.5), torch.ones(2, 3)))
    <BLANKLINE>
    """
    first, second = (probe_output(network, x[:PROBE_ROWS]) for _ in range(2))
    if torch.allclose(first, second, rtol=1e-3, atol=1e-6, equal_nan=True):  # some kernels differ in rounding
        return []
    reason = (
        "its output differs between two passes in evaluation mode, so that every evaluation is noisy: something "
        "random in it is always on, such as F.dropout without training=self.training"
    )
    return [LintMessage("warning", (), (), reason, "", "make it follow the network's mode, or use nn.Dropout")]


def describe_recipe(network: nn.Module, plan: Plan) -> dict[str, Any]:
    """Where each technique acts on the original network, and all warnings, as plain data."""
    network = surgery.copy_module(network)  # reading a weight that spectral norm computes changes its vectors
    explained = explain(network, plan.recipe)
    messages = [*plan.recipe.lint(network, plan.context), *plan.messages]
    return {
        "acts": [list(row) for row in explained.rows()],
        "acts_on_whole_run": list(explained.whole_run),
        "warnings": [str(message) for message in messages if message.severity == "warning"],
    }


def lint_context(split: Split, training: Training, loss: str) -> Context:
    """What the linter needs to know about a training; `loss`: the name of the chosen data loss."""
    features = split.preprocessing.features if split.preprocessing else None
    counts = split.train.y.bincount() if split.spec.task == "classification" else None
    return Context(
        optimizer=training.optimizer, batch_size=training.batch_size, accumulate=training.accumulate,
        epochs=training.epochs, metric=training.metric, loss=loss, task=split.spec.task, rows=len(split.train),
        stop_rows=len(split.stop), integer_inputs=not split.train.x.is_floating_point(),
        categories=bool(getattr(features, "categories", ())), manual_loop=False,
        smallest_class=None if counts is None else int(counts[counts > 0].min()),
    )  # fmt: skip


def refuse_contradictions(model: nn.Module, recipe: Recipe, context: Context) -> None:
    """Refuse a recipe whose techniques contradict each other.

    Raises:
        InputError: the linter finds an error.
    """
    for message in contradictions(recipe.techniques, model, context):
        raise InputError("recipe: " + str(message).removeprefix("error: "))


def _structure(technique: Technique) -> Hashable:
    """A technique's type and knobs; of its strengths only whether they are neutral."""
    strengths = technique.strengths()
    neutral = tuple(getattr(technique, name) == technique.knobs()[name].neutral for name in strengths)
    return type(technique), tuple((n, v) for n, v in technique.values().items() if n not in strengths), neutral


def prepare_loop(model: nn.Module, recipe: Recipe, context: Context, stats: DataStats, rows: bool) -> tuple[Phase, ...]:
    """Like `prepare`, for a recipe that is attached to the user's own loop; the phases of its steps.

    `rows`: whether the training rows are known.

    Raises:
        InputError: the network, the recipe and what is known about the data do not fit each other.
    """
    with _attached(model, recipe) as attachment:
        _check_techniques(attachment, recipe, stats)
        if recipe.at(OnEval) and not rows and surgery.has_batch_norm(model):
            raise InputError(
                f"{type(recipe.at(OnEval)[0]).__name__}: batch norm statistics must be recomputed for averaged "
                "weights; give attach(…, data=(x, y))."
            )
    refuse_contradictions(model, recipe, context)
    return phases_of(recipe)


def _check_fit(model: nn.Module, split: Split, recipe: Recipe, training: Training) -> None:
    """Check every technique against the network and the data.

    Raises:
        InputError: a technique does not fit.
    """
    stats = DataStats.of(split, recipe)
    with _attached(model, recipe) as attachment:
        if not any(parameter.requires_grad for parameter in attachment.parameters().values()):
            total = len(list(model.parameters()))
            raise InputError(
                f"model: no parameter is trainable, got requires_grad=False for all {total}; unfreeze some."
            )
        if training.rows_at_once == 1 and surgery.has_batch_norm(model):
            raise InputError(
                "training: batch norm needs at least two rows at a time, got "
                f"batch_size={training.batch_size} with accumulate={training.accumulate}; raise batch_size or lower "
                "accumulate."
            )
        transforms = _check_techniques(attachment, recipe, stats)
        check_batch(transforms, split.train.x, split.train.y)
        check_monitors(recipe, training.metric)


def _check_techniques(attachment: Attachment, recipe: Recipe, stats: DataStats) -> BatchTransforms:
    """The checks that need no training rows; the recipe's batch transforms."""
    weight_targets(attachment.model, recipe.at(OnWeights))
    transforms = BatchTransforms(recipe, attachment, stats)
    check_targets(recipe, stats)
    single_averaging(recipe.at(OnEval))
    return transforms


@contextmanager
def _attached(model: nn.Module, recipe: Recipe) -> Iterator[Attachment]:
    """A trial: the recipe is attached inside the block."""
    attachment = attach_layers(model, recipe)
    try:
        yield attachment
    finally:
        attachment.detach()
