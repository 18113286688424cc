"""A training step in the user's own loop: the phases after the backward pass, around the user's optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Clock, OnGrads, ScalesLearningRate
from goodfit.train.phases import Phase, in_order
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_grads import compute_gradients
from goodfit.train.stages.on_weights import WeightUpdater

Closure = Callable[[], Any]
"""Computes the loss of the same batch again and calls its `backward()`."""


@dataclass(eq=False)
class StepGuard:
    """A hook that refuses a direct call of `optimizer.step()`, in which the recipe would have no effect."""

    inside: bool = False

    def __call__(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse the step unless it is part of `Regularizer.step`."""
        if not self.inside:
            raise InputError(
                f"attach: call reg.step() instead of {type(optimizer).__name__}.step(), and reg.step(scaler=…) instead "
                "of scaler.step(optimizer), because the recipe acts around the step; an optimizer has one recipe at a "
                "time."
            )


@dataclass
class LoopStep:
    """What the phases of one step read and change."""

    clock: Clock
    closure: Closure | None
    scaler: Any  # a torch.amp.GradScaler that is enabled, or None
    skipped: bool = False  # the gradients are not finite: the weights are not updated


class OptimizerStep:
    """Runs the phases of a step that follow the user's backward pass."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        optimizer: Optimizer,
        phases: Sequence[Phase],
        context: StepContext,
        averaging: Callable[[Clock], None] | None,
    ) -> None:
        """`averaging`: updates the averaged weights; None if the recipe does not average."""
        self.model, self.optimizer, self.context, self.guard = model, optimizer, context, StepGuard()
        self.on_grads, self.rate_factors = recipe.at(OnGrads), recipe.at(ScalesLearningRate)
        self.updater = WeightUpdater.with_users_optimizer(model, recipe, optimizer, self._call_optimizer)
        self.scaler: Any = None
        handlers: dict[Phase, Callable[[LoopStep], None]] = {
            Phase.GRADIENTS: self._wrap_gradients,
            **{phase: partial(self._update_weights, handler) for phase, handler in self.updater.handlers.items()},
        }
        if averaging is not None:
            handlers[Phase.AVERAGING] = partial(_with_clock, averaging)
        self.handlers = in_order(phases, handlers)

    def __call__(self, clock: Clock, closure: Closure | None, scaler: Any) -> None:
        """Take a step. If the gradients of a scaled loss are not finite, the weights are not updated."""
        self.scaler = scaler if scaler is not None and scaler.is_enabled() else None
        step = LoopStep(clock, closure, self.scaler)
        with torch.no_grad(), self._learning_rates(clock):
            for handler in self.handlers:
                handler(step)

    def _wrap_gradients(self, step: LoopStep) -> None:
        """Pass the user's gradients through the techniques on gradients, then remove the scaler's factor."""
        if self.on_grads and (step.scaler is None or self._finite()):
            self._apply_techniques(step)
        if step.scaler is not None:
            step.scaler.unscale_(self.optimizer)
            step.skipped = not self._finite()

    def _apply_techniques(self, step: LoopStep) -> None:
        """The techniques receive gradients in units of the loss; their results are scaled again."""
        scale = 1.0 if step.scaler is None else step.scaler.get_scale()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.requires_grad]
        evaluations = 0

        def backward() -> Tensor:
            nonlocal evaluations
            evaluations += 1
            if evaluations > 1:
                self._repeat_backward(parameters, step.closure)
            _multiply(parameters, 1 / scale)
            return torch.zeros(())

        compute_gradients(self.model, parameters, self.on_grads, backward, step.clock, self.context)
        _multiply(parameters, scale)

    def _repeat_backward(self, parameters: list[nn.Parameter], closure: Closure | None) -> None:
        if closure is None:
            names = ", ".join(technique.name() for technique in self.on_grads)
            raise InputError(
                f"attach: step() needs a closure that computes the loss again and calls backward() (required by "
                f"{names}); call reg.step(closure)."
            )
        for parameter in parameters:
            parameter.grad = None
        with torch.enable_grad():
            closure()

    def _update_weights(self, handler: Callable[[Clock], None], step: LoopStep) -> None:
        if not step.skipped:
            handler(step.clock)

    def _call_optimizer(self) -> None:
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)

    @contextmanager
    def _learning_rates(self, clock: Clock) -> Iterator[None]:
        """Inside the block the optimizer may step, with the learning rates that the recipe sets for this step."""
        groups = self.optimizer.param_groups
        rates, self.guard.inside = [group["lr"] for group in groups], True
        try:
            for technique in self.rate_factors:
                for group in groups:
                    group["lr"] = group["lr"] * technique.lr_factor(clock)
            yield
        finally:
            self.guard.inside = False
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate

    def _finite(self) -> bool:
        grads = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        return all(bool(torch.isfinite(grad).all()) for grad in grads)


def _with_clock(handler: Callable[[Clock], None], step: LoopStep) -> None:
    handler(step.clock)


def _multiply(parameters: list[nn.Parameter], factor: float) -> None:
    """Scale gradients in place."""
    grads = [p.grad for p in parameters if p.grad is not None]
    if factor != 1 and grads:
        torch._foreach_mul_(grads, factor)
