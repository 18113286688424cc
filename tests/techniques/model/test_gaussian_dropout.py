from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from goodfit.techniques import Dropout, GaussianDropout


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_values_by_hand() -> None:
    """rate 0.2: √(0.2 / 0.8) = ½."""
    x, z = torch.tensor([4.0, -2.0, 0.0], dtype=torch.float64), torch.tensor([1.0, -3.0, 5.0], dtype=torch.float64)
    assert GaussianDropout(0.2).perturb(x, (z,)).tolist() == pytest.approx([6.0, 1.0, 0.0], rel=1e-15)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_moments_are_those_of_dropout(rate: float) -> None:
    x = torch.full((500, 800), 3.0, dtype=torch.float64)
    variance = 9 * rate / (1 - rate)
    for technique in (GaussianDropout(rate), Dropout(rate)):
        y = technique.perturb(x, technique.draw(x, generator()))
        n, fourth = y.numel(), float((y - 3).pow(4).mean())
        assert float(y.mean()) == pytest.approx(3, abs=4 * math.sqrt(variance / n))
        assert float(y.var()) == pytest.approx(variance, abs=4 * math.sqrt(max(fourth, 3 * variance**2) / n))
        assert y.dtype == torch.float64


def test_noise_is_gaussian() -> None:
    x, technique = torch.ones(400_000, dtype=torch.float64), GaussianDropout(0.5)
    z = technique.perturb(x, technique.draw(x, generator())) - 1
    assert float(z.pow(3).mean()) == pytest.approx(0, abs=4 * math.sqrt(15 / 4e5))
    assert float(z.pow(4).mean()) == pytest.approx(3, abs=4 * math.sqrt(96 / 4e5))


def test_equals_keras_with_the_same_noise() -> None:
    keras = pytest.importorskip("keras")
    x = torch.randn(30, 40, generator=generator())
    expected = keras.layers.GaussianDropout(0.3, seed=5)(x, training=True).cpu()
    z = keras.random.normal(tuple(x.shape), seed=keras.random.SeedGenerator(5))
    torch.testing.assert_close(GaussianDropout(0.3).perturb(x, (z.cpu(),)), expected)


def test_neutral_is_bit_equal_and_samples_get_different_draws() -> None:
    x, off, g = torch.randn(64, 5, generator=generator()), GaussianDropout(0.0), generator()
    assert torch.equal(off.perturb(x, off.draw(x, g)), x)
    first, second = off.draw(x, g)[0], off.draw(x, g)[0]
    assert not torch.equal(first, second)
    assert len({tuple(row) for row in first.tolist()}) == 64


def test_input_rate_applies_to_the_network_input() -> None:
    both = GaussianDropout(0.5, 0.25)
    input_noise = both.for_layer(first=True)
    assert input_noise is not None
    assert input_noise.rate == 0.25
    assert both.for_layer(first=False) is both
    assert GaussianDropout(0.5).for_layer(first=True) is None


def test_vmap_over_population_members() -> None:
    x, rates = torch.randn(3, 5, 6, generator=generator()), torch.tensor([0.0, 0.25, 0.5])
    z = torch.randn(3, 5, 6, generator=generator(1))

    def member(rate: Tensor, x: Tensor, draw: Tensor) -> Tensor:
        return GaussianDropout().with_values(rate=rate).perturb(x, (draw,))

    stacked = torch.func.vmap(member)(rates, x, z)
    assert torch.equal(stacked[0], x[0])
    for i, rate in enumerate(rates):
        torch.testing.assert_close(stacked[i], GaussianDropout(float(rate)).perturb(x[i], (z[i],)))
