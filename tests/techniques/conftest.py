"""Fixtures for the tests of techniques: training compared with a plain torch loop, and rows with categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Inputs, Split, load
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

Weights = dict[str, Tensor]
STEPS = 6


@pytest.fixture
def train_steps(
    three_class_split: Split, to_double: Callable[[Split], Split], make_net: Callable[..., nn.Sequential]
) -> Callable[..., Weights]:
    """Runs some full-batch steps of `fit` in double precision and returns the weights."""

    def run(recipe: Any, gain: float = 1.0, **settings: Any) -> Weights:
        options = {"epochs": STEPS, "batch_size": 96, "learning_rate": 0.05} | settings
        return fit(make_net(gain=gain).double(), to_double(three_class_split), recipe, Training(**options)).last

    return run


@pytest.fixture
def manual_steps(
    three_class_split: Split, to_double: Callable[[Split], Split], make_net: Callable[..., nn.Sequential]
) -> Callable[..., Weights]:
    """Runs the same steps in a plain torch loop.

    `penalty` is added to the loss, `between` is called after the backward pass, and `after` after each step.
    """

    def run(
        make: Callable[[list[Tensor], list[Tensor]], torch.optim.Optimizer],
        penalty: Callable[[list[Tensor]], Tensor] | None = None,
        between: Callable[[list[Tensor]], None] | None = None,
        after: Callable[[list[Tensor], list[Tensor]], None] | None = None,
        gain: float = 1.0,
    ) -> Weights:
        model, train = make_net(gain=gain).double(), to_double(three_class_split).train
        kernels = [p for p in model.parameters() if p.ndim == 2]
        others = [p for p in model.parameters() if p.ndim == 1]
        optimizer = make(kernels, others)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(train.x), train.y)
            (loss + penalty(kernels) if penalty else loss).backward()
            if between:
                between(list(model.parameters()))
            before = [w.detach().clone() for w in kernels]
            optimizer.step()
            if after:
                with torch.no_grad():
                    after(kernels, before)
        return model.state_dict()

    return run


@pytest.fixture
def assert_weights_equal() -> Callable[[Weights, Weights], None]:
    """Asserts that weights are equal up to rounding in double precision."""

    def check(mine: Weights, other: Weights) -> None:
        for name, tensor in other.items():
            torch.testing.assert_close(mine[name], tensor, rtol=1e-9, atol=1e-12)

    return check


@pytest.fixture(scope="session")
def sparse_regression(to_double: Callable[[Split], Split]) -> Split:
    """A regression on 20 correlated features, 17 of which have the weight zero."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(250, 20)) + 0.5 * rng.normal(size=(250, 1))
    truth = np.zeros(20)
    truth[[2, 9, 14]] = 1.5, -2.0, 1.0
    y = x @ truth + rng.normal(size=250)
    return to_double(load((x, y), task="regression").split())


@pytest.fixture
def fit_linear(sparse_regression: Split) -> Callable[..., Run]:
    """Trains a linear network on the sparse regression until it converges."""

    def run(recipe: Any, optimizer: str) -> Run:
        model = nn.Linear(20, 1).double()
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
        settings: dict[str, Any] = {"epochs": 500, "learning_rate": 0.05}
        if optimizer != "sgd":  # Adam converges only if its learning rate goes to zero
            settings = {"epochs": 700, "learning_rate": 0.02, "schedule": "cosine"}
        return fit(
            model,
            sparse_regression,
            recipe,
            Training(optimizer=optimizer, batch_size=len(sparse_regression.train), **settings),
        )

    return run


# ---- rows of numbers and categories ----------------------------------------------------------------------

GROUPS = ((2, 3), (3, 6), (7, 11))  # a single 0/1 column, three categories, four categories


@pytest.fixture
def mixed_inputs() -> Inputs:
    """Columns 0, 1 and 6 are numbers, the others encode categories."""
    return Inputs(groups=GROUPS)


@pytest.fixture
def make_rows() -> Callable[..., Tensor]:
    """Makes rows (n, 11) of such a table; all numbers are different."""

    def make(n: int = 400, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        numbers = torch.randn(n, 3, generator=g, dtype=dtype)
        flag = torch.randint(2, (n, 1), generator=g).to(dtype)
        three, four = (F.one_hot(torch.randint(k, (n,), generator=g), k).to(dtype) for k in (3, 4))
        return torch.cat([numbers[:, :2], flag, three, numbers[:, 2:], four], 1)

    return make


@pytest.fixture
def categories_valid() -> Callable[..., bool]:
    """Checks that the columns of every category are one-hot, or all zero (an unknown category) with `none`."""

    def holds(x: Tensor, none: bool = False) -> bool:
        if not bool(((x[:, 2] == 0) | (x[:, 2] == 1)).all()):
            return False
        for first, end in GROUPS[1:]:
            block, ones = x[:, first:end], x[:, first:end].sum(1)
            if not bool(((block == 0) | (block == 1)).all() & ((ones == 1) | ((ones == 0) & none)).all()):
                return False
        return True

    return holds
