"""The solo trainer: trains one network in place, at the speed of a hand-written loop."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from goodfit import surgery
from goodfit.data import Split, metric
from goodfit.kernels.choice import KernelChoice
from goodfit.kernels.mode import fast_linear
from goodfit.kernels.products import use_products
from goodfit.progress import RunProgress
from goodfit.rng import generator, seed_global_generators, stream
from goodfit.stages import Clock, OnEval, OnSample, ScalesLearningRate, is_scheduled
from goodfit.train.checkpoint import Checkpoints, load_optimizer, optimizer_tensors, pack, unpack
from goodfit.train.evaluate import evaluate, training_sample
from goodfit.train.optimizers import make_optimizer
from goodfit.train.prepare import Plan
from goodfit.train.run import Weights, snapshot
from goodfit.train.stages.on_batch import DataStats
from goodfit.train.stages.on_epoch import EpochStats, RunTracker, divergence, history_row
from goodfit.train.stages.on_eval import WeightAverager
from goodfit.train.stages.on_model import attach_layers
from goodfit.train.stages.on_sample import add_synthetic_rows, augments_repeats_only, epoch_batches, is_repeat
from goodfit.train.stages.on_weights import WeightUpdater
from goodfit.train.step import TrainingStep


class Trainer:
    """Trains one network according to a plan and keeps everything that changes from epoch to epoch."""

    def __init__(self, model: nn.Module, plan: Plan, split: Split, seed: int) -> None:
        self.model, self.plan, self.split, self.seed = model, plan, split, seed
        self.recipe, self.training = plan.recipe, plan.training
        self.metric = metric(self.training.metric)
        self.kernels = KernelChoice.of(model, split.train.x, self.training.rows_at_once)
        self.kernels.apply(model)
        self.attachment = attach_layers(model, self.recipe)
        learned = list(self.attachment.learned.values())
        self.updater = WeightUpdater.with_own_optimizer(
            model, self.recipe, lambda groups: make_optimizer(groups, self.training), learned
        )
        self.averager = WeightAverager.of(model, self.recipe.at(OnEval), split.spec.task)
        stats = DataStats.of(split, self.recipe)
        self.step = TrainingStep(plan, self.attachment, stats, self.updater, self.averager)
        self.on_sample = self.recipe.at(OnSample)
        self.augments_repeats_only = augments_repeats_only(self.on_sample)
        self.rate_factors = self.recipe.at(ScalesLearningRate)
        self.train_part = add_synthetic_rows(split.train, self.recipe, split.spec.inputs, seed)
        self.sample = training_sample(split.train, seed)
        self.tracker = RunTracker.of(self.recipe, self.metric.name)
        self.best = snapshot(model)

    # ---- an epoch ------------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> list[Tensor]:
        """Train on all rows once. Returns the loss of each batch."""
        x, y, device = self.train_part.x, self.train_part.y, self.train_part.x.device
        noise = generator(self.seed, epoch, "noise", device)
        seed_global_generators(stream(self.seed, epoch, "user"))  # `fit` restores them
        surgery.set_train_mode(self.model)
        batches = epoch_batches(self.on_sample, self.train_part, self.seed, epoch, self.training.batch_size)
        total, before = len(batches) * self.training.epochs, len(batches) * (epoch - 1)
        masks = None
        if self.augments_repeats_only:
            masks = is_repeat(torch.cat([*batches])).split([len(rows) for rows in batches])
        losses = []
        with fast_linear(self.model, x, self.training.rows_at_once):
            for number, rows in enumerate(batches):
                clock = Clock(before + number + 1, len(batches), total)
                self.set_learning_rate(clock)
                mask = None if masks is None else masks[number]
                losses.append(self.step(x.index_select(0, rows), y.index_select(0, rows), clock, noise, mask))
        self.attachment.context.generator = None
        return losses

    def set_learning_rate(self, clock: Clock) -> None:
        """Set the learning rate of a step."""
        rate = self.training.rate_at(clock.step - 1, clock.total)
        for technique in self.rate_factors:
            rate *= technique.lr_factor(clock)
        for group in self.updater.optimizer.param_groups:
            group["lr"] = rate

    def network_to_keep(self) -> nn.Module:
        """The network that is evaluated and kept: with averaged weights if the recipe averages."""
        return self.averager.network(self.sample[0]) if self.averager else self.model

    def end_epoch(self, epoch: int, losses: list[Tensor], seconds: float) -> tuple[nn.Module, bool]:
        """Evaluate the network and record the epoch. Returns the network to keep, and whether it is the best so far."""
        network, stop = self.network_to_keep(), self.split.stop
        train = evaluate(network, *self.sample, self.plan.criterion, self.metric)
        stopping = evaluate(network, stop.x, stop.y, self.plan.criterion, self.metric)
        penalties = self.updater.penalties((epoch - 1) / self.training.epochs)
        rate = self.updater.optimizer.param_groups[0]["lr"]
        stats = EpochStats(float(torch.stack(losses).mean()), penalties, rate, seconds)
        improved = self.tracker.record(history_row(epoch, self.metric.name, train, stopping, stats))
        if improved:
            self.best = snapshot(network)
        return network, improved

    # ---- the whole run -------------------------------------------------------------------------

    def train(self, checkpoints: Checkpoints | None, bar: RunProgress) -> bool:
        """Train until the last epoch, or until a technique or the user stops. Returns whether the user did (Ctrl-C)."""
        if checkpoints:
            checkpoints.load(self)
        with use_products(self.kernels.products):
            return self._train_epochs(checkpoints, bar)

    def _train_epochs(self, checkpoints: Checkpoints | None, bar: RunProgress) -> bool:
        try:
            for epoch in range(len(self.tracker.history) + 1, self.training.epochs + 1):
                if self.tracker.stopped:
                    break
                began = time.perf_counter()
                losses = self.train_epoch(epoch)
                reason = divergence(epoch, torch.stack(losses), self._non_finite_weights)
                if reason:
                    self.tracker.diverge(reason)
                    break
                network, improved = self.end_epoch(epoch, losses, time.perf_counter() - began)
                if checkpoints:
                    checkpoints.save(self, epoch, improved, snapshot(network))
                bar.show(epoch, self.tracker.history.rows[-1])
        except KeyboardInterrupt:
            return True
        return False

    def _non_finite_weights(self) -> list[str]:
        return [n for n, p in self.model.named_parameters() if not bool(torch.isfinite(p).all())]

    # ---- checkpoints ---------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to fit this run."""
        fixed = self.training.values()
        if self.training.constant_rate and not (self.rate_factors or any(map(is_scheduled, self.recipe))):
            fixed.pop("epochs")  # without schedules, more epochs are a longer version of the same run
        return {"recipe": self.recipe.text(), "training": fixed, "seed": self.seed, "data": self.split.text}

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """Everything on which the next epoch depends: tensors, and plain data."""
        tensors = pack("model", self.model.state_dict()) | pack("best", self.best)
        tensors |= pack("optimizer", optimizer_tensors(self.updater.optimizer))
        tensors |= pack("projections", self.updater.state_tensors())
        tensors |= pack("learned", {n: p.detach().clone() for n, p in self.attachment.learned.items()})
        if self.averager:
            tensors |= pack("average", self.averager.state_tensors())
        return tensors, {"identity": self.identity(), "kernels": self.kernels.state(), **self.tracker.state()}

    def load_state(self, tensors: Weights, data: dict[str, Any]) -> None:
        """The inverse of `state`."""
        before, self.kernels = self.kernels, KernelChoice.from_state(data.get("kernels", {}))
        for network in (self.model, self.averager.copy) if self.averager else (self.model,):
            before.undo(network)
            self.kernels.apply(network)
        self.model.load_state_dict(unpack("model", tensors))
        self.best = unpack("best", tensors)
        load_optimizer(self.updater.optimizer, unpack("optimizer", tensors))
        self.updater.load_state_tensors(unpack("projections", tensors))
        with torch.no_grad():
            for name, value in unpack("learned", tensors).items():
                self.attachment.learned[name].copy_(value)
        if self.averager:
            self.averager.load_state_tensors(unpack("average", tensors))
        self.tracker.load_state(data)
