"""torch's optimizers: those of `fit`, effective step sizes, and the parameters that a recipe adds to the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, RAdam

from goodfit.errors import InputError
from goodfit.train.config import Training

Settings = dict[str, Any]
"""A parameter group of an optimizer, or its state of one parameter."""


def make_optimizer(groups: Sequence[dict[str, object]], training: Training) -> Optimizer:
    """The optimizer for parameter groups, each with its own `weight_decay` (coupled: added to the gradient).

    "adamw" equals "adam": the default weight decay of 0.01 of torch's AdamW is not applied, because all regularization
    is in the recipe (`weight_decay=0.01`).
    """
    params = [p for g in groups for p in g["params"]]  # type: ignore[attr-defined]
    fused = all(p.is_floating_point() for p in params)
    if training.optimizer == "sgd":
        return SGD(groups, lr=training.learning_rate, momentum=training.momentum, fused=fused)
    betas = (training.beta1, training.beta2)
    return Adam(groups, lr=training.learning_rate, betas=betas, fused=fused)


def with_layout_of(parameter: Tensor, values: Tensor) -> Tensor:
    """A gradient or a state of an optimizer in the memory layout of its parameter.

    torch's fused optimizers go through the memory of both side by side: with another layout they confuse the values.

    >>> weight = torch.zeros(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    >>> with_layout_of(weight, torch.ones(2, 3, 2, 2)).stride() == weight.stride()
    True
    """
    if values.layout != torch.strided or values.shape != parameter.shape or values.stride() == parameter.stride():
        return values
    return torch.empty_like(parameter, dtype=values.dtype, requires_grad=False).copy_(values)


def is_adaptive(optimizer: Optimizer) -> bool:
    """Whether the step size differs between weights."""
    return not isinstance(optimizer, SGD)


def step_size(
    optimizer: Optimizer, group: Settings, parameter: nn.Parameter, rate: float, out: Tensor
) -> Tensor | float:
    """The effective step size: how far a constant gradient of 1 moves each weight per step.

    Proximal steps use it. Their fixed point then solves the penalized problem with any of these optimizers.

    `rate`: the learning rate of the step, or the sum over several steps; `out`: a tensor that may hold the result.

    SGD: learning rate / (1 − momentum). Adam and its variants: learning rate / (√v̂ + ε), of the weight's shape.

    Raises:
        InputError: the step size of this optimizer is not known.
    """
    state = optimizer.state.get(parameter, {})
    for entry, compute in STEP_SIZES.items():
        if entry in state:
            return compute(optimizer, group, state, rate, out)
    if isinstance(optimizer, SGD):
        return rate * (1 - float(group.get("dampening", 0.0))) / (1 - float(group["momentum"]))
    raise InputError(
        f"optimizer: penalties with exact zeros need the step size of each weight, which is unknown for "
        f"{type(optimizer).__name__}; use SGD, Adam, AdamW, NAdam, RAdam, Adamax, RMSprop, Adagrad or Adadelta."
    )


def _adam(optimizer: Optimizer, group: Settings, state: Settings, rate: float, out: Tensor) -> Tensor | float:
    """Adam, AdamW, NAdam, RAdam."""
    corrected = 1 - group["betas"][1] ** float(state["step"])
    if isinstance(optimizer, RAdam):
        rectified = _rectified(float(state["step"]), group["betas"][1])
        if rectified is None:
            return rate
        rate *= rectified
    # √v̂ + ε is taken as √(v̂ + ε²), so that one reciprocal root does it; they differ only where √v̂ is of ε's size.
    squares = state["max_exp_avg_sq" if "max_exp_avg_sq" in state else "exp_avg_sq"]
    torch.add(squares, corrected * group["eps"] ** 2, out=out)
    return out.rsqrt_().mul_(rate * corrected**0.5)


def _rectified(step: float, beta: float) -> float | None:
    """RAdam's factor on its steps; None for the first few, which are not adaptive."""
    end = 2 / (1 - beta) - 1
    now = end - 2 * step * beta**step / (1 - beta**step)
    if now <= 5:
        return None
    return float(((now - 4) * (now - 2) * end / ((end - 4) * (end - 2) * now)) ** 0.5)


def _adamax(optimizer: Optimizer, group: Settings, state: Settings, rate: float, out: Tensor) -> Tensor:
    torch.add(state["exp_inf"], group["eps"], out=out)
    return out.reciprocal_().mul_(rate / (1 - group["betas"][0] ** float(state["step"])))


def _adadelta(optimizer: Optimizer, group: Settings, state: Settings, rate: float, out: Tensor) -> Tensor:
    torch.add(state["acc_delta"], group["eps"], out=out)
    return out.div_(state["square_avg"] + float(group["eps"])).sqrt_().mul_(rate)


def _rmsprop(optimizer: Optimizer, group: Settings, state: Settings, rate: float, out: Tensor) -> Tensor:
    torch.add(state["square_avg"], group["eps"] ** 2, out=out)
    if "grad_avg" in state:  # centered
        out.addcmul_(state["grad_avg"], state["grad_avg"], value=-1).clamp_(min=group["eps"] ** 2)
    return out.rsqrt_().mul_(rate / (1 - float(group["momentum"])))


def _adagrad(optimizer: Optimizer, group: Settings, state: Settings, rate: float, out: Tensor) -> Tensor:
    torch.add(state["sum"], group["eps"] ** 2, out=out)
    return out.rsqrt_().mul_(rate / (1 + (float(state["step"]) - 1) * float(group["lr_decay"])))


STEP_SIZES: dict[str, Callable[[Optimizer, Settings, Settings, float, Tensor], Tensor | float]] = {
    "exp_avg_sq": _adam,
    "exp_inf": _adamax,
    "acc_delta": _adadelta,
    "square_avg": _rmsprop,
    "sum": _adagrad,
}
"""An entry of the optimizer's state → the step size of the optimizers that have it; the first entry counts."""


# ---- parameters of a recipe in the user's optimizer ---------------------------------------------------


def add_parameters(
    optimizer: Optimizer, parameters: Mapping[str, nn.Parameter], neighbour: nn.Parameter | None = None
) -> None:
    """Train additional parameters with the settings of `neighbour`, but without weight decay.

    They join its parameter group (by default the first one), or a new group if that group has weight decay.

    >>> layer, bias = nn.Linear(2, 2), nn.Parameter(nn.Linear(2, 2).bias.detach())
    >>> optimizer = torch.optim.AdamW(layer.parameters(), lr=0.5, weight_decay=0.1)
    >>> add_parameters(optimizer, {"bias": bias})
    >>> [(len(group["params"]), group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    [(2, 0.5, 0.1), (1, 0.5, 0.0)]
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = {name: p for name, p in parameters.items() if id(p) not in held}
    if not new:
        return
    home = next(
        (g for g in optimizer.param_groups if any(p is neighbour for p in g["params"])), optimizer.param_groups[0]
    )
    if not home.get("weight_decay"):
        home["params"].extend(new.values())
        if "param_names" in home:
            home["param_names"].extend(new)
        return
    own: dict[str, Any] = {key: value for key, value in home.items() if key not in ("params", "param_names")}
    named = list(new.items()) if "param_names" in home else list(new.values())
    optimizer.add_param_group(own | {"params": named, "weight_decay": 0.0})


def remove_parameters(optimizer: Optimizer, parameters: Mapping[str, nn.Parameter]) -> None:
    """The inverse of `add_parameters`: removes parameters, their state, and groups that become empty."""
    removed = {id(p) for p in parameters.values()}
    emptied = []
    for group in optimizer.param_groups:
        stay = [i for i, p in enumerate(group["params"]) if id(p) not in removed]
        if group["params"] and not stay:
            emptied.append(id(group))
        for key in {"params", "param_names"} & group.keys():
            group[key] = [group[key][i] for i in stay]
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if id(group) not in emptied]
    for parameter in parameters.values():
        optimizer.state.pop(parameter, None)
