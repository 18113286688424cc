from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from goodfit.data import Split
from goodfit.techniques import L2
from goodfit.train.run import Run

Steps = Callable[..., dict[str, Tensor]]
RATE = 0.05
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9),
    "adam": lambda groups: torch.optim.Adam(groups, lr=RATE),
    "adamw": lambda groups: torch.optim.Adam(groups, lr=RATE),  # AdamW without torch's decay
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_solution_equals_ridge_regression(
    optimizer: str, sparse_regression: Split, fit_linear: Callable[..., Run]
) -> None:
    # scikit-learn: Σ(y − ŷ)² + a Σw²; ours is divided by n: a = n · l2.
    x, y = sparse_regression.train.x.numpy(), sparse_regression.train.y.numpy().ravel()
    ridge = Ridge(alpha=len(x) * 0.3).fit(x, y)
    w = fit_linear(L2(0.3), optimizer).last["weight"].numpy().ravel()
    np.testing.assert_allclose(w, ridge.coef_, atol=1e-9 if optimizer == "sgd" else 1e-5)
    assert (w != 0).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_equals_torch_weight_decay_on_kernels(
    optimizer: str, train_steps: Steps, manual_steps: Steps, assert_weights_equal: Callable[..., None]
) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        return OPTIMIZERS[optimizer]([{"params": kernels, "weight_decay": 0.06}, {"params": others}])

    assert_weights_equal(train_steps(L2(0.03), optimizer=optimizer), manual_steps(make))
    assert L2.from_weight_decay(0.06) == L2(0.03)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_equals_the_penalty_through_autograd(
    optimizer: str, train_steps: Steps, manual_steps: Steps, assert_weights_equal: Callable[..., None]
) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        return OPTIMIZERS[optimizer](kernels + others)

    hand = manual_steps(make, penalty=lambda kernels: 0.03 * sum(w.square().sum() for w in kernels))
    assert_weights_equal(train_steps(L2(0.03), optimizer=optimizer), hand)


def test_biases_only_if_selected(train_steps: Steps) -> None:
    plain, run = train_steps("", epochs=1), train_steps(L2(0.5, on="bias"), epochs=1)
    for name, tensor in plain.items():
        assert torch.equal(run[name], tensor) != ("bias" in name)


def test_value_by_hand_and_alternative_constructors() -> None:
    assert float(L2(0.5).value(torch.tensor([[1.0, -2.0], [0.0, 3.0]]))) == 7.0
    assert L2(0.5).coefficient() == 1.0
    assert L2.per_sample(0.7, m=211).l2 == 0.7 / (2 * 211)
