"""The parameters of a recipe in the user's optimizer: they join a parameter group, and leave it again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer

Network = Callable[..., nn.Module]
Loop = Callable[..., Regularizer]


def layout(optimizer: torch.optim.Optimizer) -> list[tuple[list[int], dict[str, Any]]]:
    """The ids of the parameters of each group, and its settings."""
    groups = [{k: copy.copy(v) for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    return [([id(p) for p in g["params"]], rest) for g, rest in zip(optimizer.param_groups, groups, strict=True)]


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("named", [False, True])
def test_parameters_of_a_recipe_join_the_optimizer_and_leave_it(
    decay: float, named: bool, network: Network, own_loop: Loop
) -> None:
    """They are trained with the learning rate of the layer that they belong to, and without weight decay."""
    model = network()
    halves = [[(n, p) for n, p in model.named_parameters() if (n[0] == "0") is first] for first in (True, False)]
    groups = [
        {"params": half if named else [p for _, p in half], "lr": lr}
        for half, lr in zip(halves, (0.1, 0.2), strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=decay)
    before = layout(optimizer)
    own = dict(model.named_parameters())
    reg = attach(model, "batch_norm, parametric_noise", optimizer)
    new = {p: g for g in optimizer.param_groups for p in g["params"] if not any(p is q for q in own.values())}
    rates = {id(p): g["lr"] for p, g in new.items()}
    assert len(new) == 4 + 3  # scales and shifts of two batch norms; the noise of three layers
    assert all(g["weight_decay"] == 0.0 for g in new.values())
    assert rates[id(model[0].batch_norm.weight)] == 0.1
    assert rates[id(model[2].batch_norm.weight)] == 0.2
    assert len(optimizer.param_groups) == (5 if decay else 2)
    x = torch.ones(4, 6)
    model(x * torch.arange(4.0)[:, None]).square().sum().backward()
    reg.step()
    reg.detach()
    assert layout(optimizer) == before
    assert {id(p) for p in optimizer.state} == {id(p) for p in own.values()}
    model(x).sum().backward()
    optimizer.step()  # the user's own step works again


def test_inserted_layers_stay_trained_after_close(network: Network) -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    attach(model, "batch_norm, noisy_linear", optimizer).close()
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    assert held == {id(p) for p in model.parameters()}
    assert "0.batch_norm.weight" in model.state_dict()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.CosineAnnealingLR(o, 4),
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=10),
        lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.5**step),
    ],
    ids=["cosine", "one cycle", "lambda"],
)
def test_learning_rate_schedules_work_with_a_recipe(make: Callable[..., Any], network: Network) -> None:
    """Also those created before `attach`: without weight decay, new parameters join the user's own group."""
    x, model = torch.ones(4, 6) * torch.arange(4.0)[:, None], network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    schedule, rates = make(optimizer), []
    with attach(model, "batch_norm, swa(0.5, pace_to=0.5), l1=0.01", optimizer, data=(x, x[:, 0]), epochs=4,
                steps_per_epoch=1) as reg:  # fmt: skip
        for _ in range(4):
            model(x).square().mean().backward()
            reg.step()
            rates.append(optimizer.param_groups[0]["lr"])
            schedule.step()
    other = torch.optim.SGD(network().parameters(), lr=0.1, momentum=0.5)
    plain, expected = make(other), []
    for _ in range(4):
        expected.append(other.param_groups[0]["lr"])
        other.step()
        plain.step()
    assert rates == expected  # a recipe's factor on the learning rate applies only inside the step
