"""A member: one of the runs that are trained together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.rng import generator
from goodfit.stages import Clock, OnSample, OnWeights, Penalty, ScalesLearningRate
from goodfit.stages.weight_targets import Cadence
from goodfit.train.config import Training
from goodfit.train.population.context import SiteTechnique
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_epoch import RunTracker
from goodfit.train.stages.on_sample import augments_repeats_only, batch_sizes, epoch_rows, is_repeat


@dataclass(eq=False)
class Member:
    """The settings of a run, and its position in training."""

    number: int
    recipe: Recipe
    training: Training
    seed: int
    split: Split
    tracker: RunTracker
    techniques: Mapping[SiteKey, SiteTechnique]
    intervals: Mapping[int, int]  # number of an OnWeights technique → steps between two steps in which it acts

    def __post_init__(self) -> None:
        self.on_sample, self.rate_factors = tuple(self.recipe.at(OnSample)), self.recipe.at(ScalesLearningRate)
        self.constant_rate = self.training.constant_rate and not self.rate_factors
        self.scheduled = any(technique.scheduled for technique in self.techniques.values())
        self.penalty_columns = {f"penalty_{t.name()}" for t in self.recipe.at(OnWeights) if isinstance(t, Penalty)}
        self.step, self.seconds = 0, 0.0  # optimizer steps completed; seconds of the last epoch
        self.drawn = 0  # steps for which random numbers are drawn
        self.learning_rate = self.training.learning_rate
        self.due = dict.fromkeys(self.intervals, True)  # whether each OnWeights technique acts in this step
        self.summed_rates: dict[int, float] = {}
        """Number of a technique with a cadence → sum of the learning rates of the steps for which it acts now."""

    @property
    def epoch(self) -> int:
        """The current epoch, from 1."""
        return len(self.tracker.history) + 1

    @property
    def batch(self) -> int:
        """The number of the current batch in the epoch, from 0."""
        return self.step - self.first_step

    def begin_epoch(self, orders: dict[Hashable, Tensor]) -> None:
        """Draw the order of the rows, or share that of another member in `orders`; start the random streams."""
        train, key = self.split.train, (id(self.split), self.seed, self.epoch, self.on_sample)
        if key not in orders:
            rows = epoch_rows(self.on_sample, train.y, generator(self.seed, self.epoch, "order"))
            orders[key] = rows.to(train.x.device)
        self.order = orders[key]
        self.augment_mask = is_repeat(self.order) if augments_repeats_only(self.on_sample) else None
        self.batches = batch_sizes(len(self.order), self.training.batch_size)
        self.first_step = self.step = self.drawn = len(self.batches) * (self.epoch - 1)
        self.streams: dict[str, torch.Generator] = {}
        self.cadences = {number: Cadence(interval) for number, interval in self.intervals.items() if interval > 1}

    def stream(self, purpose: str) -> torch.Generator:
        """The epoch's random numbers for techniques ("noise") or for the network's own layers ("user")."""
        if purpose not in self.streams:
            self.streams[purpose] = generator(self.seed, self.epoch, purpose, self.split.train.x.device)
        return self.streams[purpose]

    def size(self) -> int:
        """The number of rows of the current batch; 0 after the last one."""
        return self.batches[self.batch] if self.batch < len(self.batches) else 0

    def begin_step(self) -> None:
        """Set the clock and the learning rate of the current step, and which OnWeights techniques act in it."""
        batches = len(self.batches)
        self.clock = Clock(self.step + 1, batches, batches * self.training.epochs)
        if not self.constant_rate:
            self.learning_rate = self.training.rate_at(self.step, self.clock.total)
            for technique in self.rate_factors:
                self.learning_rate *= technique.lr_factor(self.clock)
        for number, cadence in self.cadences.items():
            rates = cadence.advance(self.learning_rate, self.clock)
            self.due[number], self.summed_rates[number] = bool(rates), sum(rates)
