"""The four techniques in a hand-written torch loop, optimized for speed in eager mode."""

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
def apply_max_norm(kernels: Weights, max_norm: float) -> None:
    """Apply the max-norm constraint to the incoming weights of each unit."""
    for w in kernels:
        w.renorm_(2, 0, max_norm)


def kernels(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.ndim > 1]


def with_techniques(problem: Problem, member: Member, epochs: int, seed: int) -> Turn:
    """Train with all techniques. L2 is fused Adam's `weight_decay`, on biases too: one parameter group is fastest."""
    return _turn(problem, member, epochs, seed)


def without_techniques(problem: Problem, member: Member, epochs: int, seed: int) -> Turn:
    """Train with the learning rate of the member only."""
    return _turn(problem, Member(0.0, 0.0, math.inf, 0.0, member.learning_rate), epochs, seed)


def _turn(problem: Problem, member: Member, epochs: int, seed: int) -> Turn:
    model = problem.network(seed)
    adam = torch.optim.Adam(
        model.parameters(), lr=member.learning_rate, weight_decay=2 * member.l2, fused=True
    )  # fmt: skip
    return Turn(partial(_fit, problem, member, epochs, model, adam), lambda: validate(problem, model)[1])


def _fit(problem: Problem, member: Member, epochs: int, model: nn.Module, adam: torch.optim.Optimizer) -> list[float]:
    """Train, restore the weights of the best epoch, and return the stop loss of each epoch."""
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
        elif len(losses) - losses.index(min(losses)) > epochs:  # the patience, which is never exceeded here
            break
    with torch.no_grad():
        for p, kept in zip(model.parameters(), best, strict=True):
            p.copy_(kept)
    return losses


def _step(member: Member, model: nn.Module, adam: torch.optim.Optimizer) -> Callable[[Tensor, Tensor], Tensor]:
    constrained = [] if math.isinf(member.max_norm) else kernels(model)
    layers = [(layer.weight, layer.bias) for layer in model.modules() if isinstance(layer, nn.Linear)]

    def step(x: Tensor, y: Tensor) -> Tensor:
        out = _forward(layers, x, member.dropout)
        value = functional.cross_entropy(out, y, label_smoothing=member.label_smoothing)
        adam.zero_grad()
        value.backward()
        adam.step()
        apply_max_norm(constrained, member.max_norm)
        return value.detach()

    return step


def _forward(layers: Sequence[tuple[Tensor, Tensor]], x: Tensor, dropout: float) -> Tensor:
    """The forward pass in plain functions, because calling a module costs a few µs more."""
    for w, b in layers[:-1]:
        x = functional.relu(functional.linear(x, w, b))
        if dropout:
            x = functional.dropout(x, dropout)
    return functional.linear(x, *layers[-1])
