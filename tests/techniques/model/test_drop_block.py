from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from goodfit.techniques import DropBlock, SpatialDropout


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_values_by_hand() -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]], dtype=torch.float64)
    kept = torch.tensor([[[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]]], dtype=torch.float64)
    assert DropBlock(0.5, block=3).perturb(x, (kept,)).tolist() == [[[2.0, 0.0, 0.0, 0.0, 10.0, 12.0]]]
    assert DropBlock(0.5, block=3).perturb(x, (torch.zeros_like(x),)).tolist() == [[[0.0] * 6]]


@pytest.mark.parametrize(
    ("space", "block"), [((20,), 3), ((20,), 4), ((9, 11), 3), ((9, 11), 2), ((5, 6, 7), 2)], ids=str
)
def test_dropped_positions_are_a_union_of_whole_blocks(space: tuple[int, ...], block: int) -> None:
    x = torch.zeros(20, 3, *space)
    kept = DropBlock(0.2, block=block).draw(x, generator())[0]
    assert kept.shape == x.shape
    dropped = kept.numpy() == 0
    assert set(np.unique(kept)) == {0.0, 1.0}
    # Morphological opening keeps exactly the positions that are covered by an entire block inside the set.
    opened = ndimage.binary_opening(dropped, structure=np.ones((1, 1, *[block] * len(space))))
    assert np.array_equal(opened, dropped)


@pytest.mark.parametrize(("space", "block"), [((20,), 3), ((9, 11), 4), ((5, 6, 7), 2)], ids=str)
def test_blocks_start_with_gamma_where_they_fit(space: tuple[int, ...], block: int) -> None:
    """The corner of the map is covered by one possible block only, so that it is dropped with probability γ."""
    rate, n = 0.6, 200 * 50
    kept = DropBlock(rate, block=block).draw(torch.zeros(200, 50, *space), generator())[0].flatten(2)
    gamma = rate * math.prod(space) / math.prod(block * (size - block + 1) for size in space)
    for corner in (0, -1):
        fraction = float((kept[:, :, corner] == 0).double().mean())
        assert fraction == pytest.approx(gamma, abs=4 * math.sqrt(gamma * (1 - gamma) / n))


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_dropped_fraction_is_the_rate_minus_overlaps(rate: float) -> None:
    """In one dimension, position i is kept with probability (1 − γ)^(blocks that cover it)."""
    size, block, rows = 16, 4, 100
    kept = DropBlock(rate, block=block).draw(torch.zeros(rows, 200, size, dtype=torch.float64), generator())[0]
    gamma = rate * size / (block * (size - block + 1))
    cover = [sum(i - block < start <= i for start in range(size - block + 1)) for i in range(size)]
    expected = 1 - sum((1 - gamma) ** c for c in cover) / size
    by_map = 1 - kept.mean(2).flatten()
    assert float(by_map.mean()) == pytest.approx(expected, abs=4 * float(by_map.std()) / math.sqrt(len(by_map)))
    assert rate * (1 - rate) < expected < rate


def test_mean_is_preserved() -> None:
    drop, g = DropBlock(0.3, block=3), generator()
    constant = torch.full((4, 3, 8, 8), 2.0, dtype=torch.float64)
    assert float(drop.perturb(constant, drop.draw(constant, g)).mean()) == pytest.approx(2, rel=1e-12)
    x = torch.randn(2000, 2, 8, 8, generator=g, dtype=torch.float64) + 1
    y = drop.perturb(x, drop.draw(x, g))
    spread = float((y - x).mean((1, 2, 3)).std()) / math.sqrt(2000)
    assert float(y.mean() - x.mean()) == pytest.approx(0, abs=4 * spread)


def test_block_of_size_one_is_dropout_and_block_of_map_size_drops_channels() -> None:
    x, rate = torch.zeros(100, 50, 4, 4), 0.3
    single = DropBlock(rate, block=1).draw(x, generator())[0]
    assert float((single == 0).double().mean()) == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / 80_000))
    for block in (4, 5, 100):  # blocks larger than the map are clipped
        mask = DropBlock(rate, block=block).draw(x, generator())[0]
        assert torch.equal(mask, mask[:, :, :1, :1].expand_as(mask))
        fraction = float((mask == 0).double().mean())
        assert fraction == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / 5000))
        assert mask[:, :, 0, 0].shape == SpatialDropout(rate).draw(x, generator())[0][:, :, 0, 0].shape


def test_block_is_clipped_only_in_the_short_dimension() -> None:
    kept = DropBlock(0.3, block=3).draw(torch.zeros(50, 10, 2, 9), generator())[0]
    assert torch.equal(kept[:, :, 0], kept[:, :, 1])
    assert not torch.equal(kept[..., 0], kept[..., 8])


def test_draws_differ_between_samples_and_channels() -> None:
    drop, g = DropBlock(0.4, block=2), generator()
    x = torch.zeros(10, 8, 12, 12)
    first, second = drop.draw(x, g)[0], drop.draw(x, g)[0]
    assert not torch.equal(first, second)
    assert len({tuple(row) for row in first.flatten(2).flatten(0, 1).tolist()}) == 80


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_bit_equal(dtype: torch.dtype) -> None:
    x, off = torch.randn(7, 3, 5, 5, generator=generator(), dtype=dtype), DropBlock(0.0)
    y = off.perturb(x, off.draw(x, generator()))
    assert torch.equal(y, x)
    assert y.dtype == dtype


def test_only_hidden_maps_are_dropped() -> None:
    drop = DropBlock(0.4)
    assert drop.for_layer(first=False) is drop
    assert drop.for_layer(first=True) is None
    assert DropBlock.convolutions_only


def test_vmap_over_population_members() -> None:
    x, drop = torch.randn(3, 4, 2, 6, 6, generator=generator()), DropBlock(0.4, block=2)
    draws = torch.stack([drop.draw(x[i], generator(i))[0] for i in range(3)])

    def member(x: Tensor, draw: Tensor) -> Tensor:
        return drop.perturb(x, (draw,))

    stacked = torch.func.vmap(member)(x, draws)
    for i in range(3):
        torch.testing.assert_close(stacked[i], drop.perturb(x[i], (draws[i],)))


def test_large_batches_in_half_precision() -> None:
    kept = torch.ones(2, 1, 300, 300, dtype=torch.float16)
    kept[0] = 0
    out = DropBlock(0.5).perturb(torch.ones_like(kept), (kept,))
    assert out.dtype == torch.float16
    assert out[1].unique().tolist() == [2.0]
