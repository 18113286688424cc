"""The optimizers of `fit`, and the step sizes of torch's optimizers: proximal steps with them solve the lasso."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer
from goodfit.train.optimizers import is_adaptive, make_optimizer, step_size

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
    """A regression on 20 correlated features, of which 3 matter."""
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
        schedule = lr_scheduler.CosineAnnealingLR(
            optimizer, STEPS
        )  # adaptive steps converge as the learning rate goes to 0
        for _ in range(STEPS):
            F.mse_loss(model(x), y).backward()
            reg.step()
            schedule.step()
    return model.weight.detach().numpy().ravel()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_proximal_steps_solve_the_lasso_with_exact_zeros(name: str, sparse: tuple[Tensor, Tensor]) -> None:
    lasso = Lasso(alpha=LAMBDA / 2, tol=1e-10).fit(sparse[0].numpy(), sparse[1].numpy().ravel())
    w = solve(sparse, OPTIMIZERS[name])
    assert set(np.flatnonzero(w)) == set(np.flatnonzero(lasso.coef_)) == {2, 9, 14}
    np.testing.assert_allclose(w, lasso.coef_, atol=1e-3)


class UnknownOptimizer(torch.optim.Optimizer):
    """Plain gradient steps; goodfit does not know its step size."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.1})

    def step(self, closure: Any = None) -> None:
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p.sub_(p.grad, alpha=0.1)


def test_an_unknown_optimizer_is_refused_if_a_technique_needs_its_step_size() -> None:
    x, model = torch.ones(4, 3), nn.Linear(3, 1)
    with attach(model, "l1=0.1", UnknownOptimizer(model.parameters())) as reg:
        model(x).sum().backward()
        with pytest.raises(InputError, match=r"need the step size .* unknown for UnknownOptimizer; use SGD, Adam"):
            reg.step()
    with attach(model, "weight_decay=0.5, max_norm=0.1, sam=0", UnknownOptimizer(model.parameters())) as reg:
        model(x).sum().backward()
        reg.step(lambda: model(x).sum().backward())
    assert float(model.weight.detach().norm()) <= 0.1 + 1e-6


def test_an_optimizer_with_momentum_is_not_taken_for_sgd() -> None:
    x, model = torch.ones(4, 3), nn.Linear(3, 2, bias=False)
    with attach(model, "l1=0.1", torch.optim.Muon(model.parameters())) as reg:
        model(x).sum().backward()
        with pytest.raises(InputError, match=r"need the step size .* unknown for Muon"):
            reg.step()


# ---- the optimizers of `fit` ---------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_optimizer_of_fit_equals_that_of_torch(
    optimizer: str, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    settings = Training(epochs=5, batch_size=96, optimizer=optimizer, learning_rate=0.05, schedule="linear")
    run, model, train = fit(make_net(), three_class_split, "", settings), make_net(), three_class_split.train
    torch_optimizer = (
        torch.optim.Adam(model.parameters(), lr=0.05)
        if optimizer == "adam"
        else torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(torch_optimizer, lambda step: 1 - step / 5)
    for _ in range(5):
        torch_optimizer.zero_grad()
        F.cross_entropy(model(train.x), train.y).backward()
        torch_optimizer.step()
        schedule.step()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(run.last[name], weight, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("training", "adaptive"),
    [(Training(optimizer="sgd"), False), (Training(), True), (Training(optimizer="adamw"), True)],
)
def test_settings_of_the_optimizers(training: Training, adaptive: bool) -> None:
    w = nn.Parameter(torch.ones(2))
    optimizer = make_optimizer([{"params": [w], "weight_decay": 0.3}], training)
    assert is_adaptive(optimizer) == adaptive
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (1e-3, 0.3)
    assert group["momentum"] == 0.9 if training.optimizer == "sgd" else group["betas"] == (0.9, 0.999)


def test_the_step_size_is_how_far_a_constant_gradient_of_1_moves_a_weight() -> None:
    for make in (OPTIMIZERS["momentum"], OPTIMIZERS["adam"], OPTIMIZERS["radam"], OPTIMIZERS["adamax"]):
        w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = make([w])
        for _ in range(400):
            before = w.detach().clone()
            w.grad = torch.ones_like(w)
            optimizer.step()
        size = step_size(optimizer, optimizer.param_groups[0], w, optimizer.param_groups[0]["lr"], torch.empty_like(w))
        assert float(size) == pytest.approx(float(before - w.detach()), rel=1e-4)
