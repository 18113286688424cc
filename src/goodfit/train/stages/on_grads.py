"""Runs the OnGrads stage: evaluates gradients, also at other weights, and wraps the evaluation with techniques."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from goodfit.stages import Clock, Gradient, OnGrads, acts_now
from goodfit.train.optimizers import with_layout_of
from goodfit.train.stages.hooks import SiteKey, StepContext

Backward = Callable[[], Tensor]
"""Computes the loss (a scalar without gradient) and leaves the gradients in `.grad`."""


def compute_gradients(
    model: nn.Module,
    parameters: Sequence[nn.Parameter],
    techniques: Sequence[OnGrads],
    backward: Backward,
    clock: Clock,
    context: StepContext,
) -> Tensor:
    """Evaluate the gradients through the OnGrads techniques and leave them in `.grad`. Returns the loss."""
    if not techniques:
        return backward()
    unused: set[int] = set()

    def gradient(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        with _with_weights(model, parameters, weights):
            loss = backward()
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        unused.update(i for i, p in enumerate(parameters) if p.grad is None)
        return loss, grads

    active = [(i, t) for i, t in enumerate(techniques) if acts_now(t, clock)]
    loss, grads = nest(gradient, parameters, active, clock, context)(parameters)
    for i, (parameter, grad) in enumerate(zip(parameters, grads, strict=True)):
        parameter.grad = None if i in unused else with_layout_of(parameter, grad)
    return loss


def nest(
    gradient: Gradient,
    weights: Sequence[Tensor],
    techniques: Sequence[tuple[int, OnGrads]],
    clock: Clock,
    context: StepContext,
) -> Gradient:
    """Wrap a gradient function with techniques, each given with its number in the recipe; the first is innermost."""
    for number, technique in techniques:
        site = SiteKey("grads", number)
        current = context.resolve(technique, site)
        gradient = current.wrap(gradient, context.draw(current, site, weights), clock)
    return gradient


@contextmanager
def _with_weights(model: nn.Module, parameters: Sequence[nn.Parameter], weights: Sequence[Tensor]) -> Iterator[None]:
    """Inside the block the network has other weights; running statistics are restored afterwards."""
    moved = [(p, p.data, w) for p, w in zip(parameters, weights, strict=True) if p is not w]
    if not moved:
        yield
        return
    with restored_buffers(model):
        try:
            for parameter, _, w in moved:
                parameter.data = w.detach()
            yield
        finally:
            for parameter, original, _ in moved:
                parameter.data = original


def input_gradient(model: nn.Module, context: StepContext, loss: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∂loss/∂x without noise, for adversarial techniques; the network stays unchanged."""
    x = x.detach().requires_grad_()
    generator, context.generator = context.generator, None
    context.hidden_mixes.clear()
    try:
        with restored_buffers(model):
            (gradient,) = torch.autograd.grad(loss(x), x)
    finally:
        context.generator = generator
    return gradient


@contextmanager
def restored_buffers(model: nn.Module) -> Iterator[None]:
    """Restores the network's buffers (running statistics) at the end of the block."""
    before = [(b, b.clone()) for b in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)
