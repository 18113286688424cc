"""The runs that were asked for, checked before any of them begins."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.data import Split, default_metric
from goodfit.linter import LintMessage
from goodfit.models import build, initialize, reinitialize
from goodfit.recipe import Recipe
from goodfit.stages import OnSample
from goodfit.surgery import copy_module
from goodfit.technique import Technique
from goodfit.train.config import Training
from goodfit.train.fit import told
from goodfit.train.losses import Criterion, Loss, choose, probe
from goodfit.train.population.grouping import form, settings, why_alone
from goodfit.train.prepare import context, refuse_contradictions
from goodfit.train.restless import restless
from goodfit.train.rng import stream
from goodfit.train.stages.on_sample import spares
from goodfit.train.trainer import Trainer


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
        spared = spares(self.recipe.at(OnSample))
        return (*settings(self.training), spared, self.criterion.name, *kind(self.split))


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
            return build(self.given, split.spec.input_shape, split.spec.n_outputs, 0, split.spec.inputs.vocabulary)
        return copy_module(self.given)

    def restart(self, network: nn.Module, seed: int) -> None:
        """Give a template the weights with which a run begins."""
        if isinstance(self.given, str):
            reinitialize(network, stream(seed, 0, "init"))
        elif self.fresh:
            reinitialize(network, seed)

    def alone(self, seed: int) -> nn.Module | str:
        """What `fit` is given for a run by itself."""
        return initialize(self.given, seed) if self.fresh and isinstance(self.given, nn.Module) else self.given


def kind(split: Split) -> tuple[Hashable, ...]:
    """What a network sees of data, beside the rows."""
    x, spec = split.train.x, split.spec
    return (
        spec.task,
        len(spec.classes),
        spec.n_outputs,
        spec.input_shape,
        (spec.inputs.kind, spec.inputs.rate, spec.inputs.groups, spec.inputs.vocabulary, spec.inputs.words),
        x.shape[1:],
        x.dtype,
        x.device,
    )


@dataclass(frozen=True)
class Checked:
    """A recipe that fits the network and the data."""

    recipe: Recipe
    training: Training
    criterion: Criterion
    known: Mapping[str, Any]  # what acts where, and the linter's warnings
    alone: str  # why its runs cannot be part of a population; empty where they can

    def job(self, number: int, seed: int, split: Split) -> Job:
        """A run of it."""
        return Job(number, self.recipe, self.training, seed, split, self.criterion, self.known, self.alone)


@dataclass(frozen=True, eq=False)
class Ground:
    """What is found out about data and network before there is a recipe."""

    kind: Hashable
    metric: str  # where none is named
    network: nn.Module
    output: Tensor  # for two rows
    messages: tuple[LintMessage, ...]


class Checker:
    """Puts recipes on the network, as `fit` does, without training anything; what several have in common, once."""

    def __init__(self, networks: Networks, loss: Loss | None) -> None:
        self.networks, self.loss = networks, loss
        self.templates: dict[Hashable, nn.Module] = {}
        self.grounds: dict[Split, Ground] = {}
        self.begun: set[Hashable] = set()
        self.found: dict[Hashable, Checked] = {}

    def __call__(self, split: Split, recipe: Recipe, training: Training) -> Checked:
        """The recipe, with what `fit` would say of it.

        Raises:
            InputError: a network, a recipe and the data do not fit each other.
        """
        with torch.random.fork_rng():
            if split not in self.grounds:
                self.grounds[split] = self._ground(split)
            ground = self.grounds[split]
            if training.metric == "auto":
                training = training.with_values(metric=ground.metric)
            criterion = choose(training.loss, self.loss, split.spec, ground.output)
            seen = context(split, training, criterion.name)
            key = ground.kind, ground.messages, seen, recipe, training
            if key not in self.found:
                messages = [*recipe.lint(ground.network, seen), *ground.messages]
                known, alone = told(ground.network, recipe, messages), why_alone(ground.network, recipe, training)
                self._begin(split, recipe, training, criterion)
                refuse_contradictions(messages)
                self.found[key] = Checked(recipe, training, criterion, known, alone)
        return self.found[key]

    def _ground(self, split: Split) -> Ground:
        data, x = kind(split), split.train.x
        if data not in self.templates:
            self.templates[data] = self.networks.template(split)
            self.networks.restart(self.templates[data], 0)  # if it cannot start anew, it is told now
        network = self.templates[data]
        output, metric = probe(network, x[:2]), default_metric(split.spec, split.train.y)
        return Ground(data, metric, network, output, tuple(restless(network, x)))

    def _begin(self, split: Split, recipe: Recipe, training: Training, criterion: Criterion) -> None:
        """Begin a run, which is thrown away, for its errors: those do not depend on how strong a technique is."""
        ground = self.grounds[split]
        key = ground.kind, settings(training), tuple(_outline(technique) for technique in recipe)
        if key not in self.begun:
            Trainer(copy_module(ground.network), split, recipe, training, criterion, 0)
            self.begun.add(key)


def _outline(technique: Technique) -> Hashable:
    """A technique without its strengths, but for whether each does nothing: then it needs no place to act."""
    knobs = technique.knobs()
    return form(technique), tuple(getattr(technique, name) == knobs[name].neutral for name in technique.strengths())


def jobs_of(checked: Sequence[Checked], splits: Mapping[int, Split]) -> list[Job]:
    """A job for every recipe and seed, recipes outermost."""
    numbered = enumerate((c, seed, split) for c in checked for seed, split in splits.items())
    return [c.job(number, seed, split) for number, (c, seed, split) in numbered]
