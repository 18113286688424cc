from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.ops.dropout import quantize_rate
from goodfit.techniques import DropConnect


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def test_numbers_and_gradient_by_hand(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    w = torch.tensor([[1.0, -2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    bits = bits_for_mask(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    y = DropConnect(0.75).perturb(w, (bits,))
    assert y.tolist() == [[4.0, 0.0], [0.0, 16.0]]
    y.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [[4.0, 0.0], [0.0, 4.0]]  # zero for dropped weights


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropped_fraction_and_moments(rate: float) -> None:
    w, drop = torch.full((400, 500), 3.0, dtype=torch.float64), DropConnect(rate)
    y = drop.perturb(w, drop.draw(w, generator()))
    n = w.numel()
    assert float((y == 0).double().mean()) == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / n))
    assert float(y.mean()) == pytest.approx(3, abs=4 * 3 * math.sqrt(rate / (1 - rate) / n))
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([3 / (1 - quantize_rate(rate))], dtype=torch.float64))


def test_moments_of_a_linear_layer() -> None:
    """Over draws: mean Σ x w, variance Σ (x w)² · rate / (1 − rate), as the paper's moments (scaled by 1 / keep)."""
    x, w, drop, g = normal(1, 20, seed=1), normal(3, 20, seed=2), DropConnect(0.4), generator()
    outputs = torch.cat([F.linear(x, drop.perturb(w, drop.draw(w, g))) for _ in range(4000)])
    variance = (x * w).square().sum(1) * 0.4 / 0.6
    se = (variance / 4000).sqrt()
    assert bool(((outputs.mean(0) - F.linear(x, w)[0]).abs() < 4 * se).all())
    fourth = (outputs - outputs.mean(0)).pow(4).mean(0)
    assert bool(((outputs.var(0) - variance).abs() < 4 * ((fourth - variance**2) / 4000).sqrt()).all())


def test_equals_torch_with_the_same_mask(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    w = normal(30, 40)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = F.dropout(w, 0.3125)
    torch.testing.assert_close(DropConnect(0.3125).perturb(w, (bits_for_mask(expected),)), expected)


def test_neutral_is_bit_equal_and_draws_differ() -> None:
    w, off, half, g = normal(20, 20).float(), DropConnect(0.0), DropConnect(0.5), generator()
    assert torch.equal(off.perturb(w, off.draw(w, g)), w)
    first, second = half.draw(w, g)[0], half.draw(w, g)[0]
    assert not torch.equal(first, second)
    assert len({tuple(row) for row in first.tolist()}) == 20
    assert len({tuple(column) for column in first.T.tolist()}) == 20


def test_vmap_over_population_members() -> None:
    w, rates = normal(3, 5, 6), torch.tensor([0.0, 0.25, 0.5], dtype=torch.float64)
    draws = torch.stack([DropConnect(float(r)).draw(w[i], generator(i))[0] for i, r in enumerate(rates)])

    def member(rate: Tensor, w: Tensor, draw: Tensor) -> Tensor:
        return DropConnect().with_values(rate=rate).perturb(w, (draw,))

    stacked = torch.func.vmap(member)(rates, w, draws)
    for i, rate in enumerate(rates):
        torch.testing.assert_close(stacked[i], DropConnect(float(rate)).perturb(w[i], (draws[i],)))
