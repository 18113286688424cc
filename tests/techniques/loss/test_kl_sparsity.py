from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy.special import rel_entr
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import vmap

from goodfit.data import Split
from goodfit.stages import ForwardPass
from goodfit.techniques import KLSparsity
from goodfit.train.config import Training
from goodfit.train.fit import fit

MakeForward = Callable[..., ForwardPass]


@pytest.fixture
def at_mean(make_forward: MakeForward) -> Callable[..., Tensor]:
    """Computes the term for one layer whose units have the given means over two samples."""

    def term(means: Tensor, rho: float = 0.05, beta: float = 1.0) -> Tensor:
        apart = torch.linspace(-0.001, 0.001, 2, dtype=means.dtype)[:, None]
        return KLSparsity(rho, beta).term(
            make_forward(torch.zeros(2, 2, dtype=means.dtype), activations=(means + apart,)), ()
        )

    return term


@pytest.mark.parametrize("rho", [0.02, 0.2])
def test_equals_scipy_relative_entropy(rho: float, at_mean: Callable[..., Tensor]) -> None:
    m = torch.tensor([0.011, 0.05, 0.2, 0.5, 0.98], dtype=torch.float64)
    expected = rel_entr(rho, m.numpy()) + rel_entr(1 - rho, 1 - m.numpy())
    assert float(at_mean(m, rho, 0.3)) == pytest.approx(0.3 * expected.sum(), rel=1e-12)


def test_term_is_zero_at_the_target_and_sums_over_layers(make_forward: MakeForward) -> None:
    at, off = torch.full((3, 4), 0.1, dtype=torch.float64), torch.full((3, 1), 0.5, dtype=torch.float64)
    output = torch.zeros(3, 1, dtype=torch.float64)
    assert float(KLSparsity(0.1, 1.0).term(make_forward(output, activations=(at,)), ())) == pytest.approx(0, abs=1e-15)
    # 0.1 log(0.1 / 0.5) + 0.9 log(0.9 / 0.5) = 0.3680642
    assert float(KLSparsity(0.1, 1.0).term(make_forward(output, activations=(at, off)), ())) == pytest.approx(
        0.3680642, abs=1e-7
    )


def test_tangents_are_continuous_and_point_to_the_target(at_mean: Callable[..., Tensor]) -> None:
    def slope(mean: float, rho: float = 0.05) -> float:
        m = torch.tensor([mean], dtype=torch.float64, requires_grad=True)
        (grad,) = torch.autograd.grad(at_mean(m, rho), m)
        return float(grad)

    assert slope(3.0) == slope(0.995) == pytest.approx(0.95 / 0.01 - 0.05 / 0.99)
    assert slope(-1.0) == slope(0.0) == pytest.approx(0.95 / 0.99 - 0.05 / 0.01)
    assert slope(0.99 - 1e-9) == pytest.approx(slope(0.99 + 1e-9), rel=1e-5)
    values = at_mean(torch.tensor([0.99 - 1e-9])), at_mean(torch.tensor([0.99 + 1e-9]))
    assert float(values[0]) == pytest.approx(float(values[1]), rel=1e-6)


def test_gradient(make_forward: MakeForward) -> None:
    def term(h: Tensor) -> Tensor:
        return KLSparsity(0.05, 0.7).term(make_forward(torch.zeros(4, 1, dtype=torch.float64), activations=(h,)), ())

    g = torch.Generator().manual_seed(0)
    h = torch.rand(4, 3, 2, generator=g, dtype=torch.float64) + torch.tensor([0.0, 3.0], dtype=torch.float64)
    assert gradcheck(term, h.requires_grad_())


def test_vmap_over_strengths(make_forward: MakeForward) -> None:
    h = torch.full((2, 3), 0.3)

    def term(rho: Tensor, beta: Tensor) -> Tensor:
        return KLSparsity().with_values(rho=rho, beta=beta).term(make_forward(torch.zeros(2, 1), activations=(h,)), ())

    terms = vmap(term)(torch.tensor([0.05, 0.1]), torch.tensor([0.0, 2.0]))
    assert float(terms[0]) == 0
    assert float(terms[1]) == pytest.approx(
        float(KLSparsity(0.1, 2.0).term(make_forward(torch.zeros(2, 1), activations=(h,)), ()))
    )


def test_sigmoid_units_reach_the_target(three_class_split: Split) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 3))
    settings = Training(epochs=12, batch_size=16, learning_rate=0.1)
    means = [
        fit(model, three_class_split, recipe, settings).model[:2](three_class_split.train.x).mean(0).detach()
        for recipe in ("", KLSparsity(0.1, 1.0))
    ]
    assert float((means[0] - 0.1).abs().mean()) > 0.2
    assert float((means[1] - 0.1).abs().mean()) < 0.06
