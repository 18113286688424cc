from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.techniques import AlphaDropout


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def test_values_by_hand(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    """rate ½, c² = 3.0908…: a = 1 / √(½ (1 + c²/2)), kept: a x + a c / 2, dropped: −a c + a c / 2."""
    c = 1.6732632423543772 * 1.0507009873554805
    a = 1 / math.sqrt(0.5 * (1 + c * c / 2))
    x, mask = torch.tensor([2.0, -1.0, 7.0], dtype=torch.float64), torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    y = AlphaDropout(0.5).perturb(x, (bits_for_mask(mask),))
    assert y.tolist() == pytest.approx([a * (2 + c / 2), a * (-1 + c / 2), -a * c / 2], rel=1e-14)
    lowest = float(F.selu(torch.tensor(-1e9, dtype=torch.float64)))
    assert lowest == pytest.approx(-c, rel=1e-12)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.7])
def test_mean_and_variance_of_a_standard_normal_are_preserved(rate: float) -> None:
    x, dropout = normal(1000, 400), AlphaDropout(rate)
    draw = dropout.draw(x, generator())
    y, n = dropout.perturb(x, draw), x.numel()
    kurtosis = float(y.pow(4).mean())
    assert float(y.mean()) == pytest.approx(0, abs=4 / math.sqrt(n))
    assert float(y.var()) == pytest.approx(1, abs=4 * math.sqrt((kurtosis - 1) / n))
    lowest = y == y.unique()[y.unique(return_counts=True)[1].argmax()]  # all dropped units have the same value
    assert float(lowest.double().mean()) == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / n))


@pytest.mark.parametrize("rate", [0.125, 0.5])
def test_equals_torch_with_the_same_mask(rate: float, bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    x = normal(30, 40)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = F.alpha_dropout(x, rate, training=True)
    values, counts = expected.unique(return_counts=True)
    mask = (expected != values[counts.argmax()]).double()  # all dropped units have the same value
    assert 0 < mask.mean() < 1
    torch.testing.assert_close(AlphaDropout(rate).perturb(x, (bits_for_mask(mask),)), expected, rtol=1e-12, atol=1e-14)


def test_equals_keras_with_the_same_mask(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    keras = pytest.importorskip("keras")
    x = normal(30, 40).float()
    expected = keras.layers.AlphaDropout(0.3125, seed=5)(x, training=True).cpu()
    values, counts = expected.unique(return_counts=True)
    mask = (expected != values[counts.argmax()]).float()
    assert 0 < mask.mean() < 1
    torch.testing.assert_close(AlphaDropout(0.3125).perturb(x, (bits_for_mask(mask),)), expected)


def test_neutral_is_bit_equal_and_samples_get_different_draws() -> None:
    x, off, half, g = normal(64, 64), AlphaDropout(0.0), AlphaDropout(0.5), generator()
    assert torch.equal(off.perturb(x, off.draw(x, g)), x)
    assert torch.equal(off.perturb(x.float(), off.draw(x.float(), g)), x.float())
    first, second = half.draw(x, g)[0], half.draw(x, g)[0]
    assert not torch.equal(first, second)
    assert len({tuple(row) for row in first.tolist()}) == 64


def test_input_rate_applies_to_the_network_input() -> None:
    both = AlphaDropout(0.5, 0.25)
    input_noise = both.for_layer(first=True)
    assert input_noise is not None
    assert input_noise.rate == 0.25
    assert both.for_layer(first=False) is both
    assert AlphaDropout(0.5).for_layer(first=True) is None


def test_vmap_over_population_members() -> None:
    x, rates = normal(3, 5, 6), torch.tensor([0.0, 0.25, 0.5], dtype=torch.float64)
    draws = torch.stack([AlphaDropout(float(r)).draw(x[i], generator(i))[0] for i, r in enumerate(rates)])

    def member(rate: Tensor, x: Tensor, draw: Tensor) -> Tensor:
        return AlphaDropout().with_values(rate=rate).perturb(x, (draw,))

    stacked = torch.func.vmap(member)(rates, x, draws)
    assert torch.equal(stacked[0], x[0])
    for i, rate in enumerate(rates):
        torch.testing.assert_close(stacked[i], AlphaDropout(float(rate)).perturb(x[i], (draws[i],)))
