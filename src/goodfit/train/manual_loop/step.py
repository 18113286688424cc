"""An optimizer step in a loop of the user's own, with what a recipe does around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Clock, OnGrads, ScalesLearningRate
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_grads import wrapped
from goodfit.train.stages.on_weights import WeightUpdater


@dataclass(eq=False)
class StepGuard:
    """The hook that refuses `optimizer.step()` of the user's: the recipe would be left out, unseen."""

    inside: bool = False

    def __call__(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse, unless the step is ours."""
        if not self.inside:
            raise InputError(
                "attach: call reg.step() in place of optimizer.step(), because the recipe acts around it (with "
                "reg.step(scaler=…) in place of scaler.step(optimizer)); an optimizer has one recipe at a time."
            )


@dataclass(eq=False)
class OptimizerStep:
    """The gradients, which the user has computed, through OnGrads; then the optimizer's step within OnWeights."""

    model: nn.Module
    recipe: Recipe
    weights: WeightUpdater
    source: StepContext
    guard: StepGuard = field(default_factory=StepGuard)

    def __post_init__(self) -> None:
        self.optimizer = self.weights.optimizer
        self.on_grads, self.pace = self.recipe.at(OnGrads), self.recipe.at(ScalesLearningRate)

    def __call__(self, clock: Clock, closure: Callable[[], Any] | None, scaler: Any) -> None:
        """Step. Gradients that a scaler has scaled and that are not finite are left out, as the scaler does."""
        scaler = scaler if scaler is not None and scaler.is_enabled() else None
        if self.on_grads and (scaler is None or self._finite()):
            self._wrap(clock, closure, 1.0 if scaler is None else scaler.get_scale())
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        with self._ours(clock):
            if scaler is None:
                self.weights.step(clock)
            elif self._finite():
                self.weights.step(clock, lambda: scaler.step(self.optimizer))
            else:
                scaler.step(self.optimizer)  # which leaves it out

    def _wrap(self, clock: Clock, closure: Callable[[], Any] | None, scale: float) -> None:
        """The techniques see gradients in units of the loss; those that they leave are scaled as they were."""
        groups = self.optimizer.param_groups
        live = [p for group in groups for p in group["params"] if p.requires_grad]
        passes = 0

        def backward() -> Tensor:
            nonlocal passes
            passes += 1
            if passes > 1:
                self._again(live, closure)
            _multiply(live, 1 / scale)
            return torch.zeros(())

        with torch.no_grad():
            wrapped(self.model, live, self.on_grads, backward, clock, self.source)
        _multiply(live, scale)

    def _again(self, live: list[nn.Parameter], closure: Callable[[], Any] | None) -> None:
        if closure is None:
            names = ", ".join(technique.name() for technique in self.on_grads)
            raise InputError(
                f"attach: step() needs a closure that computes the loss anew and calls backward() ({names} asks for "
                "it); give reg.step(closure)."
            )
        for parameter in live:
            parameter.grad = None
        with torch.enable_grad():
            closure()

    @contextmanager
    def _ours(self, clock: Clock) -> Iterator[None]:
        """Inside, the optimizer may step, at the learning rates of this step of the recipe."""
        groups = self.optimizer.param_groups
        rates, self.guard.inside = [group["lr"] for group in groups], True
        try:
            for technique in self.pace:
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


def _multiply(live: list[nn.Parameter], factor: float) -> None:
    """Scale gradients, in place."""
    grads = [p.grad for p in live if p.grad is not None]
    if factor != 1 and grads:
        torch._foreach_mul_(grads, factor)
