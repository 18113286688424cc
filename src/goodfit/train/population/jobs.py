"""The runs that were asked for, checked before any of them begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from goodfit.data import Split, default_metric
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
    known: Mapping[str, Any]
    alone: str

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


@dataclass(frozen=True)
class Checked:
    """A recipe that fits the network and the data."""

    recipe: Recipe
    training: Training
    criterion: Criterion
    known: Mapping[str, Any]  # what acts where, and what the linter finds doubtful
    alone: str  # why its runs cannot be part of a population; empty where they can


def check(networks: Networks, split: Split, recipe: Recipe, training: Training, loss: Loss | None) -> Checked:
    """Put a recipe on the network, as `fit` does, without training anything.

    Raises:
        InputError: a network, a recipe and the data do not fit each other.
    """
    network, x, resolved = networks.template(split), split.train.x, _resolved(training, split)
    networks.restart(network, 0)  # if it cannot start anew, it is told now
    with torch.random.fork_rng():
        criterion = choose(training.loss, loss, split.spec, probe(network, x[:2]))
        remarks = recipe.lint(network, context(split, resolved, criterion.name)) + restless(network, x)
        known, alone = told(network, recipe, remarks), why_alone(network, recipe, training)
        Solo(network, split, recipe, resolved, criterion, 0)
        refuse_contradictions(remarks)
    return Checked(recipe, training, criterion, known, alone)


def jobs_of(checked: Sequence[Checked], splits: Mapping[int, Split]) -> list[Job]:
    """A job for every recipe and seed, recipes outermost."""
    return [
        Job(n * len(splits) + i, c.recipe, _resolved(c.training, split), seed, split, c.criterion, c.known, c.alone)
        for n, c in enumerate(checked)
        for i, (seed, split) in enumerate(splits.items())
    ]


def _resolved(training: Training, split: Split) -> Training:
    if training.metric != "auto":
        return training
    return dataclasses.replace(training, metric=default_metric(split.spec, split.train.y))
