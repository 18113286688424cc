"""Exact zeros, the lasso's own, under torch's optimizers; an optimizer is left as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from goodfit.errors import InputError
from goodfit.train.manual_loop.attach import Regularizer, attach

Make = Callable[[Any], torch.optim.Optimizer]
Network = Callable[..., nn.Module]
Loop = Callable[..., Regularizer]
LAMBDA, STEPS = 0.2, 600
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "dampening": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5, dampening=0.5),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.05, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.0),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.05),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.05),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.02),
    "rmsprop with momentum": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
    "centred rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.02, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.5),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=2.0),
}


@pytest.fixture(scope="module")
def sparse() -> tuple[Tensor, Tensor]:
    """A regression on 20 correlated features, 17 of which have the weight zero."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(250, 20)) + 0.5 * rng.normal(size=(250, 1))
    y = x[:, [2, 9, 14]] @ np.array([1.5, -2.0, 1.0]) + rng.normal(size=250)
    return torch.from_numpy((x - x.mean(0)) / x.std(0)), torch.from_numpy((y - y.mean()) / y.std())[:, None]


def solve(sparse: tuple[Tensor, Tensor], make: Make) -> np.ndarray:
    x, y = sparse
    model = nn.Linear(20, 1).double()
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = make(model.parameters())
    with attach(model, f"l1={LAMBDA}", optimizer) as reg:
        schedule = lr_scheduler.CosineAnnealingLR(optimizer, STEPS)  # adaptive steps settle as the rate goes to zero
        for _ in range(STEPS):
            F.mse_loss(model(x), y).backward()
            reg.step()
            schedule.step()
    return model.weight.detach().numpy().ravel()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zeros_and_solution_are_the_lasso_s(name: str, sparse: tuple[Tensor, Tensor]) -> None:
    lasso = Lasso(alpha=LAMBDA / 2, tol=1e-10).fit(sparse[0].numpy(), sparse[1].numpy().ravel())
    w = solve(sparse, OPTIMIZERS[name])
    assert set(np.flatnonzero(w)) == set(np.flatnonzero(lasso.coef_)) == {2, 9, 14}
    np.testing.assert_allclose(w, lasso.coef_, atol=1e-3)


class Unheard(torch.optim.Optimizer):
    """Plain steps, of which its state says nothing."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.1})

    def step(self, closure: Any = None) -> None:
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p.sub_(p.grad, alpha=0.1)


def test_an_unknown_optimizer_is_refused_where_zeros_need_its_step_size() -> None:
    x, model = torch.ones(4, 3), nn.Linear(3, 1)
    with attach(model, "l1=0.1", Unheard(model.parameters())) as reg:
        model(x).sum().backward()
        with pytest.raises(InputError, match=r"the step size of Unheard is not known, .*; use SGD, Adam, AdamW"):
            reg.step()
    with attach(model, "weight_decay=0.5, max_norm=0.1, sam=0", Unheard(model.parameters())) as reg:
        model(x).sum().backward()
        reg.step(lambda: model(x).sum().backward())
    assert float(model.weight.detach().norm()) <= 0.1 + 1e-6


# ---- parameter groups --------------------------------------------------------------------------------


def shape(optimizer: torch.optim.Optimizer) -> list[tuple[list[int], dict[str, Any]]]:
    groups = [{k: copy.copy(v) for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    return [([id(p) for p in g["params"]], rest) for g, rest in zip(optimizer.param_groups, groups, strict=True)]


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("named", [False, True])
def test_new_parameters_join_and_leave(decay: float, named: bool, network: Network, own_loop: Loop) -> None:
    """They take the rate of the layer that they belong to, and no weight decay."""
    model = network()
    halves = [[(n, p) for n, p in model.named_parameters() if (n[0] == "0") is first] for first in (True, False)]
    groups = [
        {"params": half if named else [p for _, p in half], "lr": lr}
        for half, lr in zip(halves, (0.1, 0.2), strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=decay)
    before = shape(optimizer)
    own = dict(model.named_parameters())
    reg = attach(model, "batch_norm, parametric_noise", optimizer)
    new = {p: g for g in optimizer.param_groups for p in g["params"] if not any(p is q for q in own.values())}
    rates = {id(p): g["lr"] for p, g in new.items()}
    assert len(new) == 4 + 3  # two batch norms' scales and shifts, a noise in front of each of three layers
    assert all(g["weight_decay"] == 0.0 for g in new.values())
    assert rates[id(model[0].batch_norm.weight)] == 0.1  # type: ignore[index,union-attr]
    assert rates[id(model[2].batch_norm.weight)] == 0.2  # type: ignore[index,union-attr]
    assert len(optimizer.param_groups) == (5 if decay else 2)
    x = torch.ones(4, 6)
    model(x * torch.arange(4.0)[:, None]).square().sum().backward()
    reg.step()
    reg.detach()
    assert shape(optimizer) == before
    assert {id(p) for p in optimizer.state} == {id(p) for p in own.values()}
    model(x).sum().backward()
    optimizer.step()  # it goes on alone


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
def test_schedules_of_the_learning_rate_go_on(make: Callable[..., Any], network: Network) -> None:
    """Also those that were made before: new parameters are in the user's own group."""
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
    assert rates == expected  # a recipe's own factor on the rate holds for the step alone


def test_the_rate_of_a_step_is_the_recipe_s() -> None:
    """SWA's pace_to, from half of training on; plain SGD on a loss of w."""
    model = nn.Linear(1, 1, bias=False)
    optimizer, moves = torch.optim.SGD(model.parameters(), lr=0.1), []
    with attach(model, "swa(0.5, pace_to=0.25)", optimizer, epochs=4, steps_per_epoch=1) as reg:
        for _ in range(4):
            before = float(model.weight.detach())
            model.weight.sum().backward()
            reg.step()
            moves.append(before - float(model.weight.detach()))
    assert moves == pytest.approx([0.1, 0.1, 0.025, 0.025], rel=1e-5)


@pytest.mark.parametrize("recipe", ["l2=0.1", "weight_decay=0.1", "elastic_net(l1=0.0, l2=0.1)"])
def test_decaying_twice_is_said(recipe: str, network: Network) -> None:
    """torch's AdamW decays by 0.01 unless told otherwise."""
    model = network()
    with pytest.warns(
        UserWarning, match=r"weight_decay=0.01 acts in addition to .* on 0.weight, 2.weight, 4.weight; create the"
    ):
        attach(model, recipe, torch.optim.AdamW(model.parameters())).close()
    attach(
        model, recipe, torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    ).close()  # no warning, which is an error
    attach(model, "l1=0.1, max_norm=1, l2=0", torch.optim.AdamW(model.parameters())).close()
