"""The OnGrads stage of a step: the gradient at the weights as they are, at others, and wrapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from goodfit.stages import Clock, Gradient, OnGrads, acts_now
from goodfit.train.stages.hooks import StepContext

Backward = Callable[[], Tensor]
"""Computes the loss (a scalar without gradient) and leaves one gradient per weight in `.grad`."""


def wrapped(
    model: nn.Module,
    live: Sequence[nn.Parameter],
    techniques: Sequence[OnGrads],
    backward: Backward,
    clock: Clock,
    source: StepContext,
) -> Tensor:
    """The gradient through the OnGrads techniques (the first of the recipe is the innermost), into `.grad`."""
    unused: set[int] = set()

    def innermost(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        with _at(model, live, weights):
            loss = backward()
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in live]
        unused.update(i for i, p in enumerate(live) if p.grad is None)
        return loss, grads

    acting = [(i, t) for i, t in enumerate(techniques) if acts_now(t, clock)]
    loss, grads = chain(innermost, live, acting, clock, source)(live)
    for i, (parameter, grad) in enumerate(zip(live, grads, strict=True)):
        parameter.grad = None if i in unused else grad
    return loss


def chain(
    innermost: Gradient,
    live: Sequence[Tensor],
    acting: Sequence[tuple[int, OnGrads]],
    clock: Clock,
    source: StepContext,
) -> Gradient:
    """The gradient through techniques, each with its number in the recipe; the first is the innermost."""
    gradient = innermost
    for number, technique in acting:
        place = f"grads {number}"
        now = source.now(technique, place)
        gradient = now.wrap(gradient, source.draw(now, place, live), clock)
    return gradient


@contextmanager
def _at(model: nn.Module, live: Sequence[nn.Parameter], weights: Sequence[Tensor]) -> Iterator[None]:
    """The network at other weights, inside the block; its running statistics are then as they were."""
    moved = [(p, p.data, w) for p, w in zip(live, weights, strict=True) if p is not w]
    if not moved:
        yield
        return
    with untouched_statistics(model):
        try:
            for parameter, _, w in moved:
                parameter.data = w.detach()
            yield
        finally:
            for parameter, own, _ in moved:
                parameter.data = own


def slope(model: nn.Module, source: StepContext, cost: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∂cost/∂x without noise, for an attack; nothing of the network changes."""
    x = x.detach().requires_grad_()
    drawing, source.generator = source.generator, None
    source.mixes.clear()
    try:
        with untouched_statistics(model):
            (found,) = torch.autograd.grad(cost(x), x)
    finally:
        source.generator = drawing
    return found


@contextmanager
def untouched_statistics(model: nn.Module) -> Iterator[None]:
    """Whatever runs inside the block, the network's buffers (running statistics) are then as they were."""
    before = [(b, b.clone()) for b in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)
