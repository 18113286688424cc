"""`Regularizer`: a recipe that is attached to the user's own training loop."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.errors import InputError
from goodfit.kernels.mode import wrap_linear_layers
from goodfit.recipe import Recipe
from goodfit.rng import generator, stream
from goodfit.stages import AveragedWeights, Clock, Decision, Ensemble, OnEpoch, OnEval
from goodfit.stages.monitoring import stop_column
from goodfit.train.manual_loop import checks
from goodfit.train.manual_loop.step import OptimizerStep
from goodfit.train.optimizers import add_parameters, remove_parameters
from goodfit.train.prepare import prepare_loop
from goodfit.train.run import Weights, snapshot
from goodfit.train.stages.hooks import ForwardRecorder, RebindInput
from goodfit.train.stages.on_batch import BatchTransforms, DataStats, check_batch
from goodfit.train.stages.on_epoch import EpochMonitor
from goodfit.train.stages.on_eval import WeightAverager
from goodfit.train.stages.on_grads import input_gradient
from goodfit.train.stages.on_loss import LossTerms, extra_forward
from goodfit.train.stages.on_model import Attachment, attach_layers
from goodfit.train.stages.on_sample import EpochSampler, is_repeat


class Regularizer:
    """A recipe attached to a loop.

    Call `batch`, `penalty` and `step` for every batch, and `end_epoch` after every epoch.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, loop: checks.Loop) -> None:
        self.user_model, self.recipe, self.loop = model, recipe, loop
        self.model: nn.Module = getattr(model, "_orig_mod", model)  # a compiled network contains the user's
        self.device = next(self.model.parameters()).device
        self.noise = generator(loop.seed, 1, "noise", self.device)
        self.steps, self.epochs, self.closed = 0, 0, False  # completed steps and epochs
        self.calls: set[str] = set()  # since the last step
        self.y: Tensor | None = None
        self.monitor = EpochMonitor(recipe.at(OnEpoch))
        self.best: Weights | None = None  # weights of the best epoch
        self.epoch_sampler = EpochSampler(recipe, loop.data[1] if loop.data else None, loop.seed)
        self.stepper: OptimizerStep | None = None
        checks.claim(self.model)
        self.attachment = Attachment(self.model)
        try:
            stats = loop.stats(self.device, recipe)
            self.phases = prepare_loop(self.model, recipe, loop.context, stats, loop.data is not None)
            self.attachment = attach_layers(self.model, recipe)
            self._start(stats)
        except BaseException:
            self._remove_hooks()
            self._remove_layers()
            raise
        _forget_compiled()
        self._begin_step()

    def _start(self, stats: DataStats) -> None:
        recipe, loop, context = self.recipe, self.loop, self.attachment.context
        if loop.optimizer is not None:
            for parameters, neighbour in self.attachment.inserted():
                add_parameters(loop.optimizer, parameters, neighbour)
            add_parameters(loop.optimizer, self.attachment.learned)
            averaging = self._average if recipe.at(OnEval) else None
            self.stepper = OptimizerStep(self.model, recipe, loop.optimizer, self.phases, context, averaging)
            if any(checks.acts_in_step(technique) for technique in recipe):
                self.attachment.training_hooks.append(loop.optimizer.register_step_pre_hook(self.stepper.guard))
        self.transforms = BatchTransforms(recipe, self.attachment, stats)
        self.terms = LossTerms(recipe, self.attachment, stats.class_shares)
        self.averager = WeightAverager.of(self.model, recipe.at(OnEval), loop.task)
        context.generator = self.noise
        if self.terms.techniques:
            recorder = self.model.register_forward_hook(ForwardRecorder(context), with_kwargs=True)
            self.attachment.training_hooks.append(recorder)
        if loop.fast_linear:
            self.attachment.training_hooks += wrap_linear_layers(self.user_model, math.inf)

    def __enter__(self) -> Regularizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and self.steps and self.monitor.techniques and not self.epochs:
            names = ", ".join(technique.name() for technique in self.monitor.techniques)
            message = f"attach: {names} had no effect: call reg.end_epoch(val_loss=…) after every epoch."
            warnings.warn(message, stacklevel=2)

    # ---- for every batch -----------------------------------------------------------------------

    def batch(self, x: Tensor, y: Tensor, augment_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The batch to train on.

        Args:
            x: inputs (batch, …).
            y: targets (batch,) or (batch, class); class indices may become probabilities. Masks (batch, height, width)
                or (batch, class, height, width), and other targets with the height and width of the images, are
                transformed with them; beyond the border they are 0.
            augment_mask: mask (batch,) of the samples that may be augmented, from `is_repeat`; only needed if a
                technique augments repeated samples only.

        Raises:
            InputError: x or y is not a tensor, x or y does not fit the recipe, or a mask is needed.
        """
        self._check_open("batch")
        self._begin_step()
        if self.transforms.techniques:
            if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
                raise InputError(f"attach: batch() takes two tensors, got {type(x).__name__} and {type(y).__name__}.")
            check_batch(self.transforms, x, y)
            checks.check_augment_mask(self.recipe, augment_mask)
            checks.check_batch_targets(y, self.recipe, self.transforms.classes)
            x, y = self.transforms(x, y, self._input_gradient, augment_mask)
            y = self.transforms.draw_hidden_mixes(x, y)
        self.y = y
        self.calls.add("batch")
        return x, y

    def penalty(self, losses: Tensor | None = None) -> Tensor:
        """The terms of the loss that need the forward pass, a differentiable scalar to add to the data loss.

        It does not contain penalties on weights: `step` applies them in closed form, and `penalties` returns them.

        `losses`: the data loss per row (batch,), for techniques that weight it.

        Raises:
            InputError: `batch` or the forward pass is missing, or a technique needs `losses`.
        """
        self._check_open("penalty")
        if not self.terms.techniques:
            return next(self.model.parameters()).new_zeros(())
        record = self.attachment.context.forward_record
        if record is None or self.y is None:
            raise InputError(
                "attach: penalty() must follow reg.batch(x, y) and a forward pass of the network in training mode, "
                "which returns one tensor."
            )
        network = RebindInput(self.model, record) if len(record.args) + len(record.kwargs) > 1 else self.model
        terms = self.terms.terms(partial(extra_forward, network), record.x, self.y, record.output, losses)
        self._begin_step()  # a term may have run the network again
        self.calls.add("penalty")
        return sum(terms[1:], terms[0])

    def step(self, closure: Callable[[], Any] | None = None, *, scaler: Any = None) -> None:
        """Take an optimizer step, instead of `optimizer.step()`, and clear the gradients.

        Args:
            closure: computes the loss of the same batch again and calls its `backward()`; for techniques that evaluate
                the gradient at other weights (SAM).
            scaler: a `torch.amp.GradScaler` that has not unscaled the gradients; call its `update()` as usual.

        Raises:
            InputError: there is no optimizer, a call before it is missing, or the closure is missing or no function.
        """
        self._check_open("step")
        checks.check_closure(closure)
        stepper, clock = self._stepper("step"), self.clock
        calls = self.calls | ({"rows"} if self.epoch_sampler.epochs else set())
        checks.check_calls(self.recipe, calls, stepper.optimizer)
        stepper(clock, closure, scaler)
        self.steps += 1
        stepper.optimizer.zero_grad()
        self.calls -= {"batch", "penalty"}
        self._begin_step()

    def penalties(self) -> dict[str, float]:
        """The current value of each weight penalty, in units of the loss: `penalty_NAME`."""
        return self._stepper("penalties").updater.penalties(self._progress)

    def rows(self) -> Tensor:
        """Row numbers of the next epoch (n′,), in the order in which the recipe draws them; needs `data`."""
        return self.epoch_sampler.rows()

    @staticmethod
    def is_repeat(rows: Tensor) -> Tensor:
        """Mask (n,) of an epoch's row numbers (n,) that occurred before in it, for `batch(x, y, augment_mask=…)`."""
        return is_repeat(rows)

    def sampler(self) -> EpochSampler:
        """`rows` as a sampler: `DataLoader(dataset, sampler=reg.sampler())`."""
        return self.epoch_sampler

    # ---- for every epoch -----------------------------------------------------------------------

    def end_epoch(self, metrics: Mapping[str, float] | None = None, **more: float) -> Decision:
        """End an epoch with its metrics (`stop_loss=…` or `val_loss=…`); whether to stop, and why.

        The weights of the best epoch are kept. `close` puts them into the network if the recipe stops early.

        Raises:
            InputError: the metric that the recipe monitors is missing.
        """
        row = {stop_column(name): float(value) for name, value in {**(metrics or {}), **more}.items()}
        if self.monitor.techniques:
            try:
                improved = self.monitor.observe(self.epochs + 1, row)
            except KeyError as missing:
                names = ", ".join(technique.name() for technique in self.monitor.techniques)
                raise InputError(
                    f"attach: end_epoch() must get {missing}, which {names} monitors, got {row}."
                ) from None
            if improved:
                self.best = self._weights_to_keep()
        self.epochs += 1
        self.noise.manual_seed(stream(self.loop.seed, self.epochs + 1, "noise"))  # of the next epoch, as in `fit`
        return self.monitor.decision

    def eval_model(self) -> nn.Module:
        """The network to evaluate: with averaged weights if the recipe averages, else the trained one."""
        if self.averager is None:
            return self.user_model
        return self.averager.network(self.loop.data[0] if self.loop.data else None).eval()

    # ---- the end -------------------------------------------------------------------------------

    def close(self) -> nn.Module:
        """Remove the hooks and put the weights to keep into the network; inserted layers stay.

        The weights to keep are those of the best epoch if the recipe stops early, else the averaged weights if the
        recipe averages and an epoch is completed, else the last ones. A `with` block calls this on exit.
        """
        if not self.closed:
            self._remove_hooks()
            averaged = self.averager is not None and isinstance(self.averager.technique, AveragedWeights)
            if self.monitor.spec.restore and self.best is not None:
                self.model.load_state_dict(self.best)
            elif averaged and self.steps >= (self.loop.steps_per_epoch or 1):
                self.model.load_state_dict(self._weights_to_keep())
        return self.user_model

    def detach(self) -> nn.Module:
        """Close, and remove the inserted layers too: the network as it was built, with its trained weights."""
        self.close()
        self._remove_layers()
        return self.user_model

    # ---- internal ------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The position in training at the current step; it stays at the end if training is longer than announced."""
        step = self.steps + 1
        return Clock(step, self.loop.steps_per_epoch or 1, max(self.loop.total, step))

    @property
    def _progress(self) -> float:
        return self.clock.progress if self.loop.total else 0.0

    def _average(self, clock: Clock) -> None:
        """Update the averaged weights; an ensemble has its last member at the announced end of training."""
        assert self.averager is not None
        if not isinstance(self.averager.technique, Ensemble) or clock.step <= self.loop.total:
            self.averager.update(clock)

    def _begin_step(self) -> None:
        context = self.attachment.context
        context.progress, context.forward_record = self._progress, None
        self.terms.start_recording()

    def _check_open(self, call: str) -> None:
        if self.closed:
            raise InputError(f"attach: {call}() must come before close(), which has removed the recipe.")

    def _stepper(self, call: str) -> OptimizerStep:
        if self.stepper is None:
            raise InputError(f"attach: {call}() needs the optimizer; call attach(model, recipe, optimizer).")
        return self.stepper

    def _weights_to_keep(self) -> Weights:
        return snapshot(self.eval_model() if self.averager else self.model)

    def _input_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        assert self.loop.loss is not None
        loss = self.loop.loss
        context = self.attachment.context
        gradient = input_gradient(self.model, context, lambda moved: loss(self.user_model(moved), y).mean(), x)
        self._begin_step()
        return gradient

    def _remove_hooks(self) -> None:
        context = self.attachment.context
        self.closed, context.generator, context.forward_record, context.activations = True, None, None, None
        self.attachment.remove_training_hooks()
        if self.loop.optimizer is not None:
            remove_parameters(self.loop.optimizer, self.attachment.learned)
        checks.release(self.model)
        _forget_compiled()

    def _remove_layers(self) -> None:
        if self.loop.optimizer is not None:
            for parameters, _ in self.attachment.inserted():
                remove_parameters(self.loop.optimizer, parameters)
        self.attachment.detach()
        _forget_compiled()


def _forget_compiled() -> None:
    """Compile networks again: compiled code ignores hooks that are added or removed later."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
