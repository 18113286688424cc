from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import MultiTaskLasso
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.techniques import L1, GroupLasso
from goodfit.train.config import Training
from goodfit.train.fit import fit

OVER = ("inputs", "units")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rows(w: Tensor, over: str) -> Tensor:
    """(group, weight), by loops over the indices of the weights."""
    count = w.shape[1 if over == "inputs" else 0]
    return torch.stack([(w[:, g] if over == "inputs" else w[g]).flatten() for g in range(count)])


def test_value_by_hand() -> None:
    w = torch.tensor([[3.0, 0.0], [4.0, 2.0]], dtype=torch.float64)
    assert float(GroupLasso(0.5).value(w)) == pytest.approx(0.5 * math.sqrt(2) * (5 + 2), rel=1e-15)
    units = GroupLasso(0.5, over="units").value(w)
    assert float(units) == pytest.approx(0.5 * math.sqrt(2) * (3 + math.sqrt(20)), rel=1e-15)
    assert float(GroupLasso(0.5).value(torch.tensor([3.0, -4.0]))) == 3.5  # a bias: each element is a group


@pytest.mark.parametrize("over", OVER)
def test_value_on_a_convolution(over: str) -> None:
    w = draw(4, 3, 2, 5)
    size = 40 if over == "inputs" else 30
    by_loop = sum(math.sqrt(float(sum(x * x for x in group))) for group in rows(w, over).tolist())
    assert float(GroupLasso(0.3, over).value(w)) == pytest.approx(0.3 * math.sqrt(size) * by_loop, rel=1e-12)


def test_proximal_step_with_one_step_size_by_hand() -> None:
    # κ · step = 0.5 · √2 · √2 = 1: the norm 5 becomes 4, the norm 0.5 becomes 0.
    w = torch.tensor([[3.0, 0.3], [4.0, 0.4]], dtype=torch.float64)
    expected = torch.tensor([[2.4, 0.0], [3.2, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(GroupLasso(0.5).prox(w.clone(), math.sqrt(2)), expected, rtol=1e-14, atol=0)
    sizes = torch.full_like(w, math.sqrt(2))
    torch.testing.assert_close(GroupLasso(0.5).prox(w.clone(), sizes), expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(GroupLasso(0.5, "units").prox(w.T.clone(), sizes), expected.T, rtol=1e-14, atol=0)


def test_proximal_step_with_two_step_sizes_by_hand() -> None:
    # κ = 1 and r = 1: w = u (1 + κ step / r), with u = (0.6, 0.8) (norm 1) and steps 0.5 and 2.
    w = torch.tensor([[0.6 * 1.5], [0.8 * 3.0]], dtype=torch.float64)
    step = torch.tensor([[0.5], [2.0]], dtype=torch.float64)
    moved = GroupLasso(1 / math.sqrt(2)).prox(w, step)
    torch.testing.assert_close(moved, torch.tensor([[0.6], [0.8]], dtype=torch.float64), rtol=1e-14, atol=0)


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 2)])
def test_proximal_step_minimizes_its_objective(over: str, shape: tuple[int, ...]) -> None:
    w, step = draw(*shape), draw(*shape, seed=1).exp()
    level = float(rows(w / step, over).norm(dim=1).quantile(0.4))  # two in five groups become zero
    technique = GroupLasso(level / math.sqrt(rows(w, over).shape[1]), over)
    moved = technique.prox(w.clone(), step.clone())

    def cost(u: np.ndarray) -> float:
        near = (torch.from_numpy(u).reshape(shape) - w).square() / (2 * step)
        return float(near.sum() + technique.value(torch.from_numpy(u).reshape(shape)))

    minimum = minimize(cost, w.numpy().ravel(), method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(moved.numpy().ravel(), minimum, atol=1e-4)
    assert cost(moved.numpy().ravel()) <= cost(minimum) + 1e-12
    zeros = (rows(moved, over) == 0).all(1)
    assert 0 < int(zeros.sum()) < len(zeros)


@pytest.mark.parametrize("over", OVER)
def test_group_is_zero_exactly_if_its_scaled_norm_is_small(over: str) -> None:
    w, step = draw(6, 5), draw(6, 5, seed=1).exp()
    scaled, moved = rows(w / step, over).norm(dim=1), []
    size = rows(w, over).shape[1]
    for factor in (1 - 1e-9, 1 + 1e-9):
        technique = GroupLasso(float(scaled.median()) * factor / math.sqrt(size), over)
        moved.append((rows(technique.prox(w.clone(), step.clone()), over) == 0).all(1))
    assert torch.equal(moved[0], scaled < scaled.median())
    assert torch.equal(moved[1], scaled <= scaled.median())


@pytest.mark.parametrize("size", [1, 3, 5, 30])
@pytest.mark.parametrize("spread", [0.5, 4.0, 10.0])
def test_full_precision_with_step_sizes_of_different_magnitude(spread: float, size: int) -> None:
    technique = GroupLasso(0.05, over="units")
    w = draw(3000, size) * (spread / 4 * draw(3000, size, seed=1)).exp()
    step = (spread * draw(3000, size, seed=2)).exp()
    moved = technique.prox(w.clone(), step.clone())
    alive = moved.norm(dim=1) > 0
    assert torch.equal(alive, (w / step).norm(dim=1) > 0.05 * math.sqrt(size))
    u, w, step = moved[alive], w[alive], step[alive]
    # At the minimum u (1 + κ step / ‖u‖) = w, up to rounding relative to the terms that cancel.
    back = u * (1 + 0.05 * math.sqrt(size) * step / u.norm(dim=1, keepdim=True))
    torch.testing.assert_close(back, w, rtol=1e-9, atol=0)


def test_groups_of_a_single_weight_equal_l1() -> None:
    for w in (draw(7), draw(7, 1)):
        for step in (0.6, draw(*w.shape, seed=1).exp()):
            sizes = [step.clone() if isinstance(step, Tensor) else step for _ in range(2)]
            other = L1(0.8).prox(w.clone(), sizes[0])
            torch.testing.assert_close(GroupLasso(0.8, "units").prox(w.clone(), sizes[1]), other, rtol=1e-12, atol=0)
            assert 0 < int((other == 0).sum()) < 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("over", OVER)
def test_zero_strength_is_bit_equal(dtype: torch.dtype, over: str) -> None:
    w = draw(40, 30).to(dtype)
    w[3], w[:, 4], w[5, 5] = 0.0, 0.0, 1e-30
    step = draw(40, 30, seed=1).exp().to(dtype)
    step[7], step[3, 3] = 0.0, 0.0
    for size in (step, 0.1, 0.0, torch.zeros((), dtype=dtype)):
        copy = size.clone() if isinstance(size, Tensor) else size
        assert torch.equal(GroupLasso(0.0, over).prox(w.clone(), copy), w)


def test_zero_step_is_bit_equal() -> None:
    w = draw(6, 5)
    w[:, 2] = 0.0
    for size in (0.0, torch.zeros(6, 5, dtype=torch.float64)):
        assert torch.equal(GroupLasso(0.5).prox(w.clone(), size), w)


def test_vmap_over_population_members() -> None:
    w, step = draw(3, 6, 4), draw(3, 6, 4, seed=1).exp()
    strengths = torch.tensor([0.0, 0.4, 0.8], dtype=torch.float64)
    at_once = torch.func.vmap(lambda w, step, k: GroupLasso().with_values(strength=k).prox(w, step))
    moved = at_once(w.clone(), step.clone(), strengths)
    for i, strength in enumerate(strengths.tolist()):
        single = GroupLasso(strength).prox(w[i].clone(), step[i].clone())
        torch.testing.assert_close(moved[i], single, rtol=1e-12, atol=0)
    assert int((moved[0] == 0).sum()) < int((moved[2] == 0).sum()) < 24


def test_solution_equals_scikit_learn_with_several_outputs() -> None:
    # scikit-learn: 1/(2n) ‖Y − X W‖² + a Σ ‖w_g‖. Each weight has its own step size, as with Adam.
    n, features, outputs, alpha = 120, 10, 3, 0.3
    x, truth = draw(n, features), draw(outputs, features, seed=1)
    truth[:, 3:] = 0
    y = x @ truth.T + 0.5 * draw(n, outputs, seed=2)
    reference = MultiTaskLasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x, y)
    technique = GroupLasso(alpha / math.sqrt(outputs))
    largest = float(torch.linalg.eigvalsh(x.T @ x / n)[-1])
    step = (0.1 + 0.9 * torch.rand(outputs, features, generator=torch.Generator().manual_seed(3)).double()) / largest
    w = torch.zeros(outputs, features, dtype=torch.float64)
    for _ in range(600):
        w = technique.prox(w - step * ((x @ w.T - y).T @ x / n), step.clone())
    np.testing.assert_allclose(w, reference.coef_, atol=1e-9)
    assert (w == 0).all(0).tolist() == [False] * 3 + [True] * 7


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_with_one_output_equals_the_lasso(optimizer: str, sparse_regression: Split) -> None:
    settings = Training(epochs=20, batch_size=50, learning_rate=0.04, optimizer=optimizer)
    runs = []
    for technique in (GroupLasso(0.2), L1(0.2)):
        torch.manual_seed(0)
        runs.append(fit(nn.Linear(20, 1).double(), sparse_regression, technique, settings).last["weight"])
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-9, atol=1e-12)
    assert 3 <= int((runs[1] != 0).sum()) < 12


def test_useless_features_of_a_network_become_zero(sparse_regression: Split) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    settings = Training(epochs=40, batch_size=50, learning_rate=0.04, schedule="cosine")
    w = fit(model, sparse_regression, GroupLasso(0.2, on="first"), settings).last["0.weight"]
    assert set((w != 0).any(0).nonzero().flatten().tolist()) == {2, 9, 14}
    assert torch.equal((w != 0).any(0), (w != 0).all(0))
