"""Jobs: the requested runs, prepared before the first of them starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from goodfit.data import Split
from goodfit.models import build, initialize, reinitialize
from goodfit.recipe import Recipe
from goodfit.rng import stream
from goodfit.stages import OnSample
from goodfit.surgery import copy_module
from goodfit.train.config import Training
from goodfit.train.losses import Loss
from goodfit.train.population.grouping import not_vectorizable, shared_settings
from goodfit.train.prepare import NetworkProbe, Plan, describe_recipe, lint_context, prepare, probe_network
from goodfit.train.stages.on_sample import augments_repeats_only


@dataclass(frozen=True, eq=False)
class Job:
    """One requested run."""

    number: int
    plan: Plan
    seed: int
    split: Split
    not_vectorizable: str  # why it cannot be trained in a population; empty if it can

    @property
    def key(self) -> Hashable:
        """What all jobs of a population have in common, apart from their techniques."""
        repeats_only = augments_repeats_only(self.plan.recipe.at(OnSample))
        return (*shared_settings(self.plan.training), repeats_only, self.plan.criterion.name, *data_key(self.split))


@dataclass(frozen=True)
class Networks:
    """The network that all jobs train, and its initial weights."""

    model: nn.Module | str
    fresh: bool

    def name(self) -> str:
        """The text of a reference network; empty for the user's own."""
        return self.model if isinstance(self.model, str) else ""

    def template(self, split: Split) -> nn.Module:
        """A new copy of the network."""
        if isinstance(self.model, str):
            return build(self.model, split.spec.input_shape, split.spec.n_outputs, 0, split.spec.inputs.vocabulary)
        return copy_module(self.model)

    def reset(self, network: nn.Module, seed: int) -> None:
        """Give a template the initial weights of a run."""
        if isinstance(self.model, str):
            reinitialize(network, stream(seed, 0, "init"))
        elif self.fresh:
            reinitialize(network, seed)

    def for_fit(self, seed: int) -> nn.Module | str:
        """The network to pass to `fit` for a single run."""
        return initialize(self.model, seed) if self.fresh and isinstance(self.model, nn.Module) else self.model


def data_key(split: Split) -> tuple[Hashable, ...]:
    """The properties of the data on which a network depends, apart from the rows."""
    x, spec = split.train.x, split.spec
    return (
        spec.task,
        tuple(spec.classes),
        spec.n_outputs,
        spec.input_shape,
        (spec.inputs.kind, spec.inputs.rate, spec.inputs.groups, spec.inputs.vocabulary, spec.inputs.words),
        x.shape[1:],
        x.dtype,
        x.device,
    )


@dataclass(frozen=True, eq=False)
class PreparedRecipe:
    """A recipe that fits the network and the data."""

    plan: Plan
    not_vectorizable: str  # why its runs cannot be trained in a population; empty if they can

    def job(self, number: int, seed: int, split: Split) -> Job:
        """A job that trains this recipe."""
        return Job(number, self.plan, seed, split, self.not_vectorizable)


class Planner:
    """Prepares recipes like `fit`, without training; what several recipes or splits share is computed once."""

    def __init__(self, networks: Networks, loss: Loss | None) -> None:
        self.networks, self.loss = networks, loss
        self._templates: dict[Hashable, nn.Module] = {}
        self._probes: dict[Split, NetworkProbe] = {}
        self._checked: dict[Hashable, set[Hashable]] = {}
        self._prepared: dict[Hashable, PreparedRecipe] = {}

    def __call__(self, split: Split, recipe: Recipe, training: Training) -> PreparedRecipe:
        """Prepare a recipe.

        Raises:
            InputError: the network, the recipe and the data do not fit each other.
        """
        with torch.random.fork_rng():
            network, probe = self._probe(split)
            context = lint_context(split, training, training.loss)
            key = data_key(split), probe.metric, probe.messages, context, recipe, training
            if key not in self._prepared:
                plan = prepare(network, split, recipe, training, self.loss, probe)
                self._prepared[key] = PreparedRecipe(plan, not_vectorizable(network, recipe, plan.training))
        return self._prepared[key]

    def description(self, prepared: PreparedRecipe, split: Split) -> dict[str, Any]:
        """Where the techniques of a prepared recipe act, and its warnings; see `describe_recipe`."""
        return describe_recipe(self._templates[data_key(split)], prepared.plan)

    def _probe(self, split: Split) -> tuple[nn.Module, NetworkProbe]:
        """The template for this data, and what is known about it on these rows."""
        key = data_key(split)
        if key not in self._templates:
            self._templates[key] = self.networks.template(split)
            self.networks.reset(self._templates[key], 0)  # raises an error if the network cannot be reset
        network = self._templates[key]
        if split not in self._probes:
            checked = self._checked.setdefault(key, set())
            self._probes[split] = dataclasses.replace(probe_network(network, split), checked=checked)
        return network, self._probes[split]


def jobs_of(prepared: Sequence[PreparedRecipe], splits: Mapping[int, Split]) -> list[Job]:
    """A job for every recipe and seed; the recipes are the outer loop."""
    numbered = enumerate((recipe, seed) for recipe in prepared for seed in splits)
    return [recipe.job(number, seed, splits[seed]) for number, (recipe, seed) in numbered]
