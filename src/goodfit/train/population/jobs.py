"""The runs that were asked for, checked before any of them begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from goodfit.data import Split, default_metric
from goodfit.errors import InputError
from goodfit.models import build, initialise, reset
from goodfit.recipe import Recipe
from goodfit.surgery import copied
from goodfit.train.context import context, refuse_contradictions
from goodfit.train.fitting import told
from goodfit.train.losses import Criterion, Loss, choose, probe
from goodfit.train.population.structure import settings, why_alone
from goodfit.train.restless import restless
from goodfit.train.seeds import stream
from goodfit.train.settings import Training
from goodfit.train.solo import Solo


@dataclass(frozen=True, eq=False)
class Job:
    """One run that was asked for."""

    number: int
    recipe: Recipe
    training: Training
    seed: int
    split: Split
    criterion: Criterion
    known: Mapping[str, Any]  # what acts where, and what the linter finds doubtful
    alone: str  # why it cannot be part of a population; empty where it can

    @property
    def key(self) -> Hashable:
        """What the jobs of a population have in common beside their techniques."""
        x, spec = self.split.train.x, self.split.spec
        kind = (spec.task, len(spec.classes), spec.n_outputs, x.shape[1:], x.dtype, x.device)
        return (*settings(self.training), self.criterion.name, *kind)


@dataclass(frozen=True)
class Networks:
    """The network that all jobs train, and the weights with which it begins."""

    given: nn.Module | str
    fresh: bool

    def name(self) -> str:
        """The text of a reference network; empty for one of the user's."""
        return self.given if isinstance(self.given, str) else ""

    def template(self, split: Split) -> nn.Module:
        """A network of its own to work with."""
        if isinstance(self.given, str):
            return build(self.given, split.spec.input_shape, split.spec.n_outputs, 0)
        return copied(self.given)

    def restart(self, network: nn.Module, seed: int) -> None:
        """Give a template the weights with which a run begins."""
        if isinstance(self.given, str):
            reset(network, stream(seed, 0, "init"))
        elif self.fresh:
            reset(network, seed)

    def alone(self, seed: int) -> nn.Module | str:
        """What `fit` is given for a run by itself."""
        return initialise(self.given, seed) if self.fresh and isinstance(self.given, nn.Module) else self.given


def plan(
    networks: Networks,
    splits: Mapping[int, Split],
    recipes: Sequence[Recipe],
    trainings: Sequence[Training],
    loss: Loss | None,
) -> list[Job]:
    """A job for every recipe and seed, recipes outermost.

    Raises:
        InputError: a network, a recipe and the data do not fit each other; nothing was trained then.
    """
    jobs: list[Job] = []
    for recipe, training in zip(recipes, trainings, strict=True):
        known: dict[str, Any] | None = None
        for seed, split in splits.items():
            if known is None:
                try:
                    known, criterion, alone = _check(networks, split, recipe, training, loss)
                except InputError as error:
                    which = f" (recipe '{recipe}')" if len(recipes) > 1 else ""
                    raise type(error)(f"{error}{which}") from None
            resolved = _resolved(training, split)
            jobs.append(Job(len(jobs), recipe, resolved, seed, split, criterion, known, alone))
    return jobs


def _resolved(training: Training, split: Split) -> Training:
    if training.metric != "auto":
        return training
    return dataclasses.replace(training, metric=default_metric(split.spec, split.train.y))


def _check(
    networks: Networks, split: Split, recipe: Recipe, training: Training, loss: Loss | None
) -> tuple[dict[str, Any], Criterion, str]:
    """As `fit` does: what is known of a recipe on the network, the data loss, and why it must be trained alone."""
    network, x, training = networks.template(split), split.train.x, _resolved(training, split)
    with torch.random.fork_rng():
        criterion = choose(training.loss, loss, split.spec, probe(network, x[:2]))
        remarks = recipe.lint(network, context(split, training, criterion.name)) + restless(network, x)
        known = told(network, recipe, remarks)
        alone = why_alone(network, recipe, training)
        Solo(network, split, recipe, training, criterion, 0)
        refuse_contradictions(remarks)
    return known, criterion, alone
