"""The four techniques in a hand-written torch loop, as fast as eager torch goes."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from loops import validate
from population_members import Member
from problems import Problem
from timing import Turn
from torch import Tensor, nn
from torch.nn import functional

Weights = Sequence[Tensor]


@torch.no_grad()
def bound(kernels: Weights, max_norm: float) -> None:
    """The max-norm constraint on the weights into each unit."""
    for w in kernels:
        w.renorm_(2, 0, max_norm)


def kernels(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.ndim > 1]


def with_techniques(problem: Problem, member: Member, epochs: int, seed: int) -> Turn:
    """L2 as fused Adam's `weight_decay`, on biases too: one group of weights is its fastest."""
    return _turn(problem, member, epochs, seed)


def without(problem: Problem, member: Member, epochs: int, seed: int) -> Turn:
    """The member's learning rate alone."""
    return _turn(problem, Member(0.0, 0.0, math.inf, 0.0, member.learning_rate), epochs, seed)


def _turn(problem: Problem, member: Member, epochs: int, seed: int) -> Turn:
    model = problem.network(seed)
    adam = torch.optim.Adam(
        model.parameters(), lr=member.learning_rate, weight_decay=2 * member.l2, fused=True
    )  # fmt: skip
    return Turn(partial(_fit, problem, member, epochs, model, adam), lambda: validate(problem, model)[1])


def _fit(problem: Problem, member: Member, epochs: int, model: nn.Module, adam: torch.optim.Optimizer) -> list[float]:
    """Each epoch's stop loss; ends with the best epoch's weights."""
    losses: list[float] = []
    best = [p.detach().clone() for p in model.parameters()]
    step = _step(member, model, adam)
    for _ in range(epochs):
        total = torch.zeros(())
        for batch in torch.randperm(len(problem.x)).split(problem.batch):
            total += step(problem.x.index_select(0, batch), problem.y.index_select(0, batch))
        losses.append(validate(problem, model)[0])
        if losses[-1] == min(losses):
            best = [p.detach().clone() for p in model.parameters()]
        elif len(losses) - losses.index(min(losses)) > epochs:  # the patience, which nobody loses here
            break
    with torch.no_grad():
        for p, kept in zip(model.parameters(), best, strict=True):
            p.copy_(kept)
    return losses


def _step(member: Member, model: nn.Module, adam: torch.optim.Optimizer) -> Callable[[Tensor, Tensor], Tensor]:
    bounded = [] if math.isinf(member.max_norm) else kernels(model)
    layers = [(layer.weight, layer.bias) for layer in model.modules() if isinstance(layer, nn.Linear)]

    def step(x: Tensor, y: Tensor) -> Tensor:
        out = _forward(layers, x, member.dropout)
        value = functional.cross_entropy(out, y, label_smoothing=member.label_smoothing)
        adam.zero_grad()
        value.backward()
        adam.step()
        bound(bounded, member.max_norm)
        return value.detach()

    return step


def _forward(layers: Sequence[tuple[Tensor, Tensor]], x: Tensor, dropout: float) -> Tensor:
    """Plain functions: calling modules would cost a few µs more each."""
    for w, b in layers[:-1]:
        x = functional.relu(functional.linear(x, w, b))
        if dropout:
            x = functional.dropout(x, dropout)
    return functional.linear(x, *layers[-1])
