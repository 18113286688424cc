"""One of the runs that are trained together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Clock, OnSample, OnWeights, Penalty, ScalesLearningRate
from goodfit.train.config import Training
from goodfit.train.population.sites import SiteTechnique
from goodfit.train.rng import generator
from goodfit.train.stages.on_epoch import RunTracker
from goodfit.train.stages.on_sample import again, batch_sizes, epoch_rows, spares


@dataclass(eq=False)
class Member:
    """A run: what is its own, and how far it has come."""

    number: int
    recipe: Recipe
    training: Training
    seed: int
    split: Split
    course: RunTracker
    places: Mapping[str, SiteTechnique]  # what it does where

    def __post_init__(self) -> None:
        self.on_sample, self.pace = tuple(self.recipe.at(OnSample)), self.recipe.at(ScalesLearningRate)
        self.steady = self.training.schedule == "constant" and not self.training.warmup and not self.pace
        self.scheduled = any(acting.scheduled for acting in self.places.values())
        self.columns = {f"penalty_{t.name()}" for t in self.recipe.at(OnWeights) if isinstance(t, Penalty)}
        self.step, self.seconds = 0, 0.0  # optimizer steps taken
        self.drawn = 0  # steps for which random numbers were drawn, ahead of them
        self.rate_now = self.training.learning_rate
        self.waiting: dict[int, list[float]] = {}  # number of a technique → learning rates since it acted
        self.due: dict[int, bool] = {}
        self.owed: dict[int, float] = {}

    @property
    def epoch(self) -> int:
        """The epoch that comes next, from 1."""
        return len(self.course.history) + 1

    @property
    def done(self) -> int:
        """The batches of this epoch that lie behind."""
        return self.step - self.before

    def begin_epoch(self, orders: dict[Hashable, Tensor]) -> None:
        """Draw the order of the rows, or take that of another member, and begin the streams of random numbers."""
        train, key = self.split.train, (id(self.split), self.seed, self.epoch, self.on_sample)
        if key not in orders:
            drawing = generator(self.seed, self.epoch, "order")
            orders[key] = epoch_rows(self.on_sample, train.y, drawing).to(train.x.device)
        self.order = orders[key]
        self.again = again(self.order) if spares(self.on_sample) else None
        self.batches = batch_sizes(len(self.order), self.training.batch_size)
        self.before = self.step = self.drawn = len(self.batches) * (self.epoch - 1)
        self.waiting = {}
        self.streams: dict[str, torch.Generator] = {}

    def stream(self, purpose: str) -> torch.Generator:
        """The epoch's random numbers for the techniques ("noise"), or for what the network does by itself ("user")."""
        if purpose not in self.streams:
            self.streams[purpose] = generator(self.seed, self.epoch, purpose, self.split.train.x.device)
        return self.streams[purpose]

    def size(self) -> int:
        """The rows of the step that comes next; 0 where the epoch is over."""
        return self.batches[self.done] if self.done < len(self.batches) else 0

    def come(self, every: Mapping[int, int]) -> None:
        """Come to the next step: the clock, the learning rate, and which techniques on weights are due."""
        batches = len(self.batches)
        self.now = Clock(self.step + 1, batches, batches * self.training.epochs)
        if not self.steady:
            self.rate_now = self.training.rate_at(self.step, self.now.total)
            for technique in self.pace:
                self.rate_now *= technique.lr_factor(self.now)
        for number, steps in every.items():
            if steps == 1:
                self.due[number] = True
                continue
            rates = self.waiting.setdefault(number, [])
            rates.append(self.rate_now)
            self.owed[number] = sum(rates)
            self.due[number] = len(rates) >= steps or self.now.ends_epoch
            if self.due[number]:
                self.waiting[number] = []
