from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import nn

from goodfit.data import Split
from goodfit.techniques import L1
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

LAMBDA = 0.2


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_support_and_solution_equal_the_lasso(
    optimizer: str, sparse_regression: Split, fit_linear: Callable[..., Run]
) -> None:
    # scikit-learn's cost is 1/(2n) Σ(y − ŷ)² + α Σ|w|; ours is 1/n Σ(y − ŷ)² + l1 Σ|w|: α = l1 / 2.
    x, y = sparse_regression.train.x.numpy(), sparse_regression.train.y.numpy().ravel()
    lasso = Lasso(alpha=LAMBDA / 2, tol=1e-10, max_iter=100_000).fit(x, y)
    run = fit_linear(L1(LAMBDA), optimizer)
    w = run.last["weight"].numpy().ravel()
    assert np.array_equal(w != 0, lasso.coef_ != 0)
    assert set(np.flatnonzero(w)) == {2, 9, 14}
    np.testing.assert_allclose(w, lasso.coef_, atol=1e-9 if optimizer == "sgd" else 1e-5)
    np.testing.assert_allclose(run.last["bias"].numpy(), lasso.intercept_, atol=1e-9 if optimizer == "sgd" else 1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_zeros_equal_the_lasso_in_a_short_run_with_mini_batches(optimizer: str, sparse_regression: Split) -> None:
    settings = Training(epochs=60, batch_size=50, learning_rate=0.02, optimizer=optimizer, schedule="cosine")
    torch.manual_seed(0)
    w = fit(nn.Linear(20, 1).double(), sparse_regression, L1(LAMBDA), settings).last["weight"]
    assert set(w.flatten().nonzero().flatten().tolist()) == {2, 9, 14}


def test_value_and_proximal_step_by_hand() -> None:
    w = torch.tensor([[3.0, -0.5], [0.1, -2.0]])
    assert float(L1(0.5).value(w)) == pytest.approx(0.5 * 5.6)
    stepped = torch.tensor([[2.8, -0.3], [0.0, -1.8]])
    torch.testing.assert_close(L1(0.5).prox(w.clone(), 0.4), stepped)
    per_weight = torch.tensor([[1.0, 1.0], [0.1, 4.0]])
    moved = L1(0.5).prox(w, per_weight)
    torch.testing.assert_close(moved, torch.tensor([[2.5, 0.0], [0.05, 0.0]]))


def test_proximal_step_minimizes_its_objective() -> None:
    w, step = torch.linspace(-1, 1, 41, dtype=torch.float64), 0.6
    u = L1(0.5).prox(w.clone(), step)
    grid = torch.linspace(-1.5, 1.5, 3001, dtype=torch.float64)
    cost = (grid - w[:, None]).square() / (2 * step) + 0.5 * grid.abs()
    torch.testing.assert_close(u, grid[cost.argmin(1)], atol=6e-4, rtol=0)


def test_one_step_of_sgd_by_hand() -> None:
    """w ← soft(w − η g, η λ / (1 − momentum)), with the bias unchanged."""
    from goodfit.data import load

    x = np.array([[1.0], [-1.0]] * 10)
    split = load((x, 2 * x[:, 0] + 1), task="regression").split(sizes=(0.4, 0.2, 0.2, 0.2))
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 0.5)
    nn.init.constant_(model.bias, 0.25)
    settings = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.5}
    plain = fit(model, split, "", Training(**settings)).last
    run = fit(model, split, L1(0.3), Training(**settings)).last
    assert float(run["bias"]) == float(plain["bias"])
    assert float(run["weight"]) == pytest.approx(float(plain["weight"]) - 0.3 * 0.1 / 0.5, rel=1e-6)


def test_per_sample_strength() -> None:
    assert L1.per_sample(0.7, m=211).l1 == 0.7 / (2 * 211)
    assert L1.per_sample(0.7, m=211, on="bias").on == "bias"
