"""The solo trainer: one network, at the speed of a hand-written loop."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor, nn

from goodfit import surgery
from goodfit.data import Split, metric
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Clock, OnEval, OnSample, ScalesLearningRate, Scheduled
from goodfit.train.checkpoint import Checkpoints, load_optimizer, optimizer_tensors, pack, unpack
from goodfit.train.config import Training
from goodfit.train.evaluate import Evaluation, measure, training_sample
from goodfit.train.losses import Criterion
from goodfit.train.objective import Objective
from goodfit.train.optimizers import make
from goodfit.train.progress import Bar
from goodfit.train.rng import generator, stream
from goodfit.train.run import Weights, snapshot
from goodfit.train.stages.growing import grown
from goodfit.train.stages.on_epoch import RunTracker, broken, lost
from goodfit.train.stages.on_eval import WeightAverager
from goodfit.train.stages.on_model import attach_layers
from goodfit.train.stages.on_sample import again, epoch_batches, spares
from goodfit.train.stages.on_weights import WeightUpdater
from goodfit.train.step import Step


class Trainer:
    """One training run: the network, the recipe on it, and everything that changes from epoch to epoch."""

    def __init__(
        self,
        model: nn.Module,
        split: Split,
        recipe: Recipe,
        training: Training,
        criterion: Criterion,
        seed: int,
    ) -> None:
        self.model, self.split, self.recipe, self.training, self.seed = model, split, recipe, training, seed
        self.criterion, self.metric = criterion, metric(training.metric)
        self.attachment = attach_layers(model, recipe)
        learned = list(self.attachment.learned.values())
        self.weights = WeightUpdater.own(model, recipe, lambda groups: make(groups, training), learned)
        at_once = math.ceil(training.batch_size / training.accumulate)
        if at_once == 1 and surgery.has_batch_norm(model):
            raise InputError(
                "training: batch norm needs two rows at a time, got one; raise batch_size or lower accumulate."
            )
        cost = Objective.of(self.attachment, recipe, criterion, split)
        self.step = Step(self.attachment, recipe, cost, self.weights, at_once)
        self.on_sample = recipe.at(OnSample)
        self.spares = spares(self.on_sample)
        self.shadow = WeightAverager.of(model, recipe.at(OnEval), split.spec.task)
        self.pace = recipe.at(ScalesLearningRate)
        self.train = grown(split.train, recipe, split.spec.inputs, seed)
        self.sample = training_sample(split.train, seed)
        self.course = RunTracker.of(recipe, self.metric.name)
        self.best = snapshot(model)

    # ---- an epoch ------------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> list[Tensor]:
        """Train over all rows once; the loss of each batch."""
        x, y, device = self.train.x, self.train.y, self.train.x.device
        noise = generator(self.seed, epoch, "noise", device)
        surgery.set_train_mode(self.model)
        batches = epoch_batches(self.on_sample, self.train, self.seed, epoch, self.training.batch_size)
        total, done = len(batches) * self.training.epochs, len(batches) * (epoch - 1)
        changed = again(torch.cat([*batches])).split([len(rows) for rows in batches]) if self.spares else None
        losses = []
        for number, rows in enumerate(batches, start=done):
            clock = Clock(number + 1, len(batches), total)
            self.set_rate(clock)
            only = None if changed is None else changed[number - done]
            losses.append(self.step(x.index_select(0, rows), y.index_select(0, rows), clock, noise, only))
            if self.shadow:
                self.shadow.update(clock)
        self.attachment.source.generator = None
        return losses

    def set_rate(self, clock: Clock) -> None:
        """Set the learning rate of a step."""
        rate = self.training.rate_at(clock.step - 1, clock.total)
        for technique in self.pace:
            rate *= technique.lr_factor(clock)
        for group in self.weights.optimizer.param_groups:
            group["lr"] = rate

    def measured(self) -> tuple[nn.Module, Evaluation, Evaluation]:
        """The network to evaluate and keep, and its loss and metric on the training sample and the stop part."""
        network = self.shadow.network(self.sample[0]) if self.shadow else self.model
        stop = self.split.stop
        train = measure(network, *self.sample, self.criterion, self.metric)
        return network, train, measure(network, stop.x, stop.y, self.criterion, self.metric)

    def end_epoch(self, epoch: int, losses: list[Tensor], seconds: float) -> tuple[nn.Module, bool]:
        """Append the epoch's row and let the OnEpoch techniques decide; the network, and if it is the best."""
        network, train, stop = self.measured()
        name, done = self.metric.name, (epoch - 1) / self.training.epochs
        row = {
            "epoch": epoch, "train_loss": train.loss, "train_loss_se": train.loss_se, "stop_loss": stop.loss,
            "stop_loss_se": stop.loss_se, f"train_{name}": train.metric, f"stop_{name}": stop.metric,
            "batch_loss": float(torch.stack(losses).mean()), **self.weights.values(done),
            "learning_rate": self.weights.optimizer.param_groups[0]["lr"], "seconds": seconds,
        }  # fmt: skip
        improved = self.course.tell(row)
        if improved:
            self.best = snapshot(network)
        return network, improved

    # ---- the whole run -------------------------------------------------------------------------

    def run(self, checkpoints: Checkpoints | None, bar: Bar) -> bool:
        """Train until the epochs are over, a technique stops it, or the user does; whether by Ctrl-C."""
        if checkpoints:
            checkpoints.load(self)
        try:
            for epoch in range(len(self.course.history) + 1, self.training.epochs + 1):
                if self.course.stopped:
                    break
                began = time.perf_counter()
                torch.manual_seed(stream(self.seed, epoch, "user"))  # for the user's own layers; forked by `fit`
                losses = self.train_epoch(epoch)
                self._check_finite(epoch, losses)
                if self.course.stopped:
                    break
                network, improved = self.end_epoch(epoch, losses, time.perf_counter() - began)
                if checkpoints:
                    checkpoints.save(self, epoch, improved, snapshot(network))
                bar.update(epoch, self.course.history.rows[-1])
        except KeyboardInterrupt:
            return True
        return False

    def _check_finite(self, epoch: int, losses: list[Tensor]) -> None:
        finite = torch.isfinite(torch.stack(losses))
        if bool(finite.all()):
            names = [n for n, p in self.model.named_parameters() if not bool(torch.isfinite(p).all())]
            if names:
                self.course.break_off(broken(names[0], epoch))
        else:
            batch = int((~finite).nonzero()[0])
            self.course.break_off(lost(float(losses[batch]), epoch, batch + 1, len(losses)))

    # ---- going on later ------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """What must be the same for a stored state to fit this run."""
        fixed = self.training.values()
        scheduled = any(isinstance(t, Scheduled) and t.schedule != "constant" for t in self.recipe)
        if self.training.schedule == "constant" and not (self.training.warmup or scheduled or self.pace):
            fixed.pop("epochs")  # more epochs of a constant rate are the same run, longer
        return {"recipe": self.recipe.text(), "training": fixed, "seed": self.seed, "data": self.split.text}

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """Everything that the next epoch depends on: tensors, and plain data."""
        tensors = pack("model", self.model.state_dict()) | pack("best", self.best)
        tensors |= pack("optimizer", optimizer_tensors(self.weights.optimizer))
        tensors |= pack("carried", self.weights.tensors())
        tensors |= pack("learned", {n: p.detach().clone() for n, p in self.attachment.learned.items()})
        if self.shadow:
            tensors |= pack("average", self.shadow.tensors())
        return tensors, {"identity": self.identity(), **self.course.facts()}

    def restore(self, tensors: Weights, facts: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.model.load_state_dict(unpack("model", tensors))
        self.best = unpack("best", tensors)
        load_optimizer(self.weights.optimizer, unpack("optimizer", tensors))
        self.weights.load(unpack("carried", tensors))
        with torch.no_grad():
            for name, value in unpack("learned", tensors).items():
                self.attachment.learned[name].copy_(value)
        if self.shadow:
            self.shadow.load(unpack("average", tensors))
        self.course.restore(facts)
