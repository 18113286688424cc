from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.ops.dropout import quantize_rate
from goodfit.techniques import DropPath


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_values_by_hand(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    x = torch.tensor([[1.0, -2.0], [3.0, 4.0]], dtype=torch.float64)
    bits = bits_for_mask(torch.tensor([[1.0], [0.0]]))
    assert DropPath(0.75).perturb(x, (bits,)).tolist() == [[4.0, -8.0], [0.0, 0.0]]
    assert DropPath(0.75, scale_by_keep=False).perturb(x, (bits,)).tolist() == [[1.0, -2.0], [0.0, 0.0]]


@pytest.mark.parametrize("shape", [(20_000, 3), (20_000, 2, 3), (20_000, 2, 1, 2)], ids=str)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_whole_branches_are_dropped_and_mean_is_preserved(shape: tuple[int, ...], rate: float) -> None:
    x, path = torch.full(shape, 3.0, dtype=torch.float64), DropPath(rate)
    draw = path.draw(x, generator())
    y = path.perturb(x, draw).flatten(1)
    dropped = y == 0
    assert torch.equal(dropped.all(1), dropped.any(1))
    assert float(dropped[:, 0].double().mean()) == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / len(x)))
    # Inverted dropout: mean x, variance x² · rate / (1 − rate).
    assert float(y.mean()) == pytest.approx(3, abs=4 * 3 * math.sqrt(rate / (1 - rate) / len(x)))
    plain = DropPath(rate, scale_by_keep=False).perturb(x, draw)
    torch.testing.assert_close(plain.flatten(1), y * (1 - quantize_rate(rate)))


def test_equals_torch_with_the_same_mask(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    """Dropout of ones of shape (batch, 1, 1), times x: the usual implementation of stochastic depth per sample."""
    x = torch.randn(40, 3, 5, generator=generator(), dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        factors = F.dropout(torch.ones(40, 1, 1, dtype=torch.float64), 0.3125)
    kept = (factors != 0).double()
    assert 0 < kept.mean() < 1
    torch.testing.assert_close(DropPath(0.3125).perturb(x, (bits_for_mask(kept),)), x * factors)


def test_rates_rise_with_depth() -> None:
    assert [DropPath(0.4).branch(l / 4).rate for l in (1, 2, 3, 4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])  # noqa: E741
    flat = DropPath(0.4, linear=False)
    assert flat.branch(0.25) is flat
    assert DropPath(0.4, scale_by_keep=False, schedule="late").branch(0.5).values() == {
        "rate": 0.2, "linear": True, "scale_by_keep": False, "on": "", "schedule": "late",
    }  # fmt: skip


@pytest.mark.parametrize("scale_by_keep", [True, False])
def test_neutral_is_bit_equal_and_draws_differ(scale_by_keep: bool) -> None:
    x, off, g = torch.randn(64, 5, generator=generator()), DropPath(0.0, scale_by_keep=scale_by_keep), generator()
    assert torch.equal(off.perturb(x, off.draw(x, g)), x)
    half = DropPath(0.5, scale_by_keep=scale_by_keep)
    first, second = half.draw(x, g)[0], half.draw(x, g)[0]
    assert first.shape == (64, 1)
    assert not torch.equal(first, second)
    assert len(half.perturb(torch.ones(64, 5), (first,)).unique()) == 2  # samples of a batch differ


def test_vmap_over_population_members() -> None:
    x, rates = torch.randn(3, 5, 6, generator=generator()), torch.tensor([0.0, 0.25, 0.5])
    draws = torch.stack([DropPath(float(r)).draw(x[i], generator(i))[0] for i, r in enumerate(rates)])

    def member(rate: Tensor, x: Tensor, draw: Tensor) -> Tensor:
        return DropPath().with_values(rate=rate).branch(1.0).perturb(x, (draw,))

    stacked = torch.func.vmap(member)(rates, x, draws)
    for i, rate in enumerate(rates):
        torch.testing.assert_close(stacked[i], DropPath(float(rate)).perturb(x[i], (draws[i],)))
