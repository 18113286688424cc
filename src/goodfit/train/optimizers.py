"""torch's optimizers for a recipe: quadratic penalties and decay ride in the fused kernel where they can."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from goodfit.train.settings import Training


def make(groups: Sequence[dict[str, object]], training: Training) -> Optimizer:
    """The optimizer for parameter groups that may carry their own `weight_decay` (coupled: added to the gradient).

    Adam and AdamW are the same here but for the default weight decay of 0.01 that torch's AdamW brings: it is left
    to the recipe (`weight_decay=0.01`), so that nothing regularizes unseen.
    """
    params = [p for g in groups for p in g["params"]]  # type: ignore[attr-defined]
    fused = all(p.is_floating_point() for p in params)
    if training.optimizer == "sgd":
        return SGD(groups, lr=training.learning_rate, momentum=training.momentum, fused=fused)
    return Adam(groups, lr=training.learning_rate, fused=fused)


def step_size(optimizer: Optimizer, parameter: nn.Parameter) -> Tensor | float:
    """By how much one unit of gradient, held for long, moves each weight per step.

    The proximal step needs it: with it the fixed point solves the penalised problem under any of these optimizers.
    SGD: learning rate / (1 − momentum). Adam and kin: learning rate / (√v̂ + ε), a tensor of the weight's shape.
    """
    group = next(g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
    rate, state = group["lr"], optimizer.state.get(parameter, {})
    if "exp_avg_sq" in state:
        steps = float(state["step"])
        correction = 1 - group["betas"][1] ** steps
        # √v̂ = √v / √correction, folded into the division so that the tensor is passed over thrice, not five times.
        root = correction**0.5
        denominator: Tensor = state["exp_avg_sq"].sqrt().add_(group["eps"] * root)
        return torch.reciprocal(denominator, out=denominator).mul_(rate * root)
    return float(rate * (1 - group.get("dampening", 0.0)) / (1 - group.get("momentum", 0.0)))
