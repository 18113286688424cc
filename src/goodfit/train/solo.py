"""The solo trainer: one network, at the speed of a hand-written loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from goodfit import surgery
from goodfit.data import Split, metric
from goodfit.errors import InputError, TrainingError
from goodfit.history import History
from goodfit.recipe import Recipe
from goodfit.stages import Attack, Clock, OnEpoch, OnEval, OnSample, Paced, Scheduled, Watch
from goodfit.train.attach import attach_layers
from goodfit.train.batches import BatchStage, spread
from goodfit.train.checkpoints import Checkpoints, load_optimizer, optimizer_tensors, pack, unpack
from goodfit.train.evaluate import Measured, measure, training_sample
from goodfit.train.losses import Criterion
from goodfit.train.optimizers import make
from goodfit.train.order import epoch_rows
from goodfit.train.progress import Bar
from goodfit.train.run import Weights, snapshot
from goodfit.train.seeds import generator, stream
from goodfit.train.settings import Training
from goodfit.train.shadow import Shadow
from goodfit.train.step import Step
from goodfit.train.terms import LossStage, shares
from goodfit.train.weights import WeightStage

ADVICE = (
    "try a lower learning_rate, clip_grad_norm=1 in the recipe, or look for extreme values in the features and targets"
)


class Solo:
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
        self.weights = WeightStage.own(model, recipe, lambda groups: make(groups, training), learned)
        at_once = math.ceil(training.batch_size / training.accumulate)
        if at_once == 1 and surgery.has_batch_norm(model):
            raise InputError(
                "training: batch norm needs two rows at a time, got one; raise batch_size or lower accumulate."
            )
        x, y = split.train.x, split.train.y
        classes = len(split.spec.classes) if split.spec.task == "classification" else 0
        batches = BatchStage(recipe, self.attachment, classes, spread(x) if recipe.at(Attack) else x.new_ones(()))
        batches.check(x)
        terms = LossStage(recipe, self.attachment, shares(y, classes) if classes else None)
        self.step = Step(self.attachment, recipe, criterion, batches, terms, self.weights, at_once)
        self.on_sample = recipe.at(OnSample)
        self.on_epoch = recipe.at(OnEpoch)
        self.shadow = Shadow.of(model, recipe.at(OnEval), split.spec.task)
        self.pace = recipe.at(Paced)
        self.sample = training_sample(split.train, seed)
        self.watch = self.on_epoch[0].watch() if self.on_epoch else Watch()
        self.history = History()
        self.states = [t.start() for t in self.on_epoch]
        self.best_value: float | None = None
        self.best_epoch, self.best = 0, snapshot(model)
        self.stopped, self.astray = "", False
        self._check_monitors()

    # ---- an epoch ------------------------------------------------------------------------------

    def train_epoch(self, epoch: int) -> list[Tensor]:
        """Train over all rows once; the loss of each batch."""
        x, y, device = self.split.train.x, self.split.train.y, self.split.train.x.device
        noise = generator(self.seed, epoch, "noise", device)
        surgery.train_mode(self.model)
        batches = list(self.batches(epoch))
        total, done = len(batches) * self.training.epochs, len(batches) * (epoch - 1)
        losses = []
        for number, rows in enumerate(batches, start=done):
            clock = Clock(number + 1, len(batches), total)
            self.set_rate(clock)
            losses.append(self.step(x.index_select(0, rows), y.index_select(0, rows), clock, noise))
            if self.shadow:
                self.shadow.update(clock)
        self.attachment.source.generator = None
        return losses

    def set_rate(self, clock: Clock) -> None:
        """Set the learning rate of a step."""
        rate = self.training.rate_at(clock.step - 1, clock.total)
        for technique in self.pace:
            rate *= technique.pace(clock)
        for group in self.weights.optimizer.param_groups:
            group["lr"] = rate

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """The row numbers of each batch; a single row left over joins the batch before it (batch norm needs two)."""
        train = self.split.train
        rows = epoch_rows(self.on_sample, train.y, generator(self.seed, epoch, "order")).to(train.x.device)
        size = self.training.batch_size
        if len(rows) > size and len(rows) % size == 1:
            yield from rows[: -size - 1].split(size)
            yield rows[-size - 1 :]
        else:
            yield from rows.split(size)

    def measured(self) -> tuple[nn.Module, Measured, Measured]:
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
        self.history.append(row)
        value = row[self.watch.monitor]
        improved = epoch > self.watch.start_from_epoch and self.watch.better(value, self.best_value)
        if improved:
            self.best_value, self.best_epoch, self.best = value, epoch, snapshot(network)
        for i, technique in enumerate(self.on_epoch):
            self.states[i], decision = technique.observe(self.states[i], epoch, row)
            self.stopped = self.stopped or decision.reason if decision.stop else self.stopped
        return network, improved

    # ---- the whole run -------------------------------------------------------------------------

    def run(self, checkpoints: Checkpoints | None, bar: Bar) -> tuple[str, bool]:
        """Train until the epochs are over, a technique stops it, or the user does; why it ended, and if by Ctrl-C."""
        if checkpoints:
            checkpoints.load(self)
        try:
            for epoch in range(len(self.history) + 1, self.training.epochs + 1):
                if self.stopped:
                    break
                began = time.perf_counter()
                torch.manual_seed(stream(self.seed, epoch, "user"))  # for the user's own layers; forked by `fit`
                losses = self.train_epoch(epoch)
                self._check_finite(epoch, losses)
                if self.stopped:
                    break
                network, improved = self.end_epoch(epoch, losses, time.perf_counter() - began)
                if checkpoints:
                    checkpoints.save(self, epoch, improved, snapshot(network))
                bar.update(epoch, self.history.rows[-1])
        except KeyboardInterrupt:
            return "interrupted by the user", True
        return self.stopped, False

    def _check_finite(self, epoch: int, losses: list[Tensor]) -> None:
        finite = torch.isfinite(torch.stack(losses))
        if bool(finite.all()):
            broken = [n for n, p in self.model.named_parameters() if not bool(torch.isfinite(p).all())]
            if not broken:
                return
            where = f"the weights '{broken[0]}' stopped being finite in epoch {epoch}"
        else:
            batch = int((~finite).nonzero()[0])
            where = f"the loss became {float(losses[batch])} in epoch {epoch}, batch {batch + 1} of {len(losses)}"
        self.stopped, self.astray = f"{where}; {ADVICE}", True
        if not self.best_epoch:
            raise TrainingError(f"training: {self.stopped}.")

    def _check_monitors(self) -> None:
        columns = [
            "train_loss",
            "stop_loss",
            f"train_{self.metric.name}",
            f"stop_{self.metric.name}",
            "batch_loss",
        ]
        for technique in self.on_epoch:
            monitor = technique.watch().monitor
            if monitor not in columns:
                raise InputError(
                    f"{type(technique).__name__}: monitor must be one of {', '.join(columns)}, got monitor={monitor!r}."
                )

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
        facts = {"identity": self.identity(), "history": self.history.to_dict(), "states": self.states,
                 "best_value": self.best_value, "best_epoch": self.best_epoch, "stopped": self.stopped}  # fmt: skip
        return tensors, facts

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
        self.history = History.from_dict(facts["history"])
        self.states, self.stopped = facts["states"], facts["stopped"]
        self.best_epoch = facts["best_epoch"]
        self.best_value = None if facts["best_value"] is None else float(facts["best_value"])
