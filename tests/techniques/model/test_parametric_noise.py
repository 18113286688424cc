from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from goodfit.techniques import ParametricNoise


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def test_values_by_hand() -> None:
    """Values 1, 5, 3, 3 have the standard deviation √2 (over the whole batch)."""
    x = torch.tensor([[1.0, 5.0], [3.0, 3.0]], dtype=torch.float64)
    z = torch.tensor([[1.0, 0.0], [-1.0, 2.0]], dtype=torch.float64)
    y = ParametricNoise(0.5).perturb(x, (z,))
    half = math.sqrt(2) / 2
    assert y.flatten().tolist() == pytest.approx([1 + half, 5, 3 - half, 3 + 2 * half], rel=1e-15)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 2.0])
def test_moments(alpha: float) -> None:
    x, noise = 3 * normal(500, 400) + 7, ParametricNoise(alpha)
    added = noise.perturb(x, noise.draw(x, generator())) - x
    n, stddev = x.numel(), alpha * float(x.std(correction=0))
    assert float(added.mean()) == pytest.approx(0, abs=4 * stddev / math.sqrt(n))
    assert float(added.std()) == pytest.approx(stddev, rel=4 / math.sqrt(2 * n))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_initial_scale_is_alpha(dtype: torch.dtype) -> None:
    learned = ParametricNoise(0.3).initial_values(torch.zeros(2, 5, dtype=dtype))
    assert list(learned) == ["alpha"]
    assert learned["alpha"].shape == ()
    assert learned["alpha"].dtype == dtype
    assert float(learned["alpha"]) == pytest.approx(0.3)
    assert float(ParametricNoise(0.0).initial_values(torch.zeros(2))["alpha"]) == 0


def test_gradient_of_the_learned_scale() -> None:
    """∂Σ c·y/∂alpha = Σ c · σ_x · z, and ∂/∂x = c: σ_x is treated as a constant."""
    x, z, c = normal(6, 5, seed=1).requires_grad_(), normal(6, 5, seed=2), normal(6, 5, seed=3)
    noise = ParametricNoise(0.3)
    alpha = noise.initial_values(x)["alpha"].requires_grad_()
    (c * noise.with_values(alpha=alpha).perturb(x, (z,))).sum().backward()
    spread = float(x.detach().numpy().std())
    torch.testing.assert_close(alpha.grad, (c * z).sum() * spread, rtol=1e-12, atol=0)
    torch.testing.assert_close(x.grad, c, rtol=0, atol=0)
    step = 1e-6
    higher, lower = ((c * noise.with_values(alpha=a).perturb(x, (z,))).sum().item() for a in (0.3 + step, 0.3 - step))
    assert float(alpha.grad) == pytest.approx((higher - lower) / (2 * step), rel=1e-6)


def test_neutral_is_bit_equal_and_samples_get_different_draws() -> None:
    x, off, g = normal(64, 5), ParametricNoise(0.0), generator()
    assert torch.equal(off.perturb(x, off.draw(x, g)), x)
    first, second = off.draw(x, g)[0], off.draw(x, g)[0]
    assert not torch.equal(first, second)
    assert len({tuple(row) for row in first.tolist()}) == 64


def test_constant_input_gets_no_noise() -> None:
    x, noise = torch.full((4, 3), 2.0), ParametricNoise(1.0)
    assert torch.equal(noise.perturb(x, noise.draw(x, generator())), x)
    single = torch.full((1, 1), 2.0)
    assert torch.equal(noise.perturb(single, noise.draw(single, generator())), single)  # not NaN


def test_acts_on_hidden_layers_and_the_network_input() -> None:
    noise = ParametricNoise(0.4)
    assert noise.for_layer(first=True) is noise
    assert noise.for_layer(first=False) is noise


def test_vmap_over_population_members() -> None:
    x, z, alphas = normal(3, 5, 6, seed=1), normal(3, 5, 6, seed=2), torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)

    def member(alpha: Tensor, x: Tensor, draw: Tensor) -> Tensor:
        return ParametricNoise().with_values(alpha=alpha).perturb(x, (draw,))

    stacked = torch.func.vmap(member)(alphas, x, z)
    for i, alpha in enumerate(alphas):
        torch.testing.assert_close(stacked[i], ParametricNoise(float(alpha)).perturb(x[i], (z[i],)))
