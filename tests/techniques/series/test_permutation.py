from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Permutation

SERIES = Inputs("series")


def test_all_orders_of_the_segments_are_equally_likely(
    augment: Callable[..., Tensor], ramps: Callable[..., Tensor]
) -> None:
    """10 time steps in three segments; all orders are listed in plain Python."""
    segments = [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    orders = {tuple(t for part in order for t in part) for order in permutations(segments)}
    result = augment(Permutation(segments=3, p=1.0), ramps(3000, 10), inputs=SERIES)[:, 0]
    counts = Counter(tuple(int(t) for t in row) for row in result.tolist())
    assert set(counts) == orders
    assert max(abs(count / 3000 - 1 / 6) for count in counts.values()) < 4 * (5 / 36 / 3000) ** 0.5


def test_channels_stay_aligned_and_values_are_kept(
    augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    x = waves()
    x[:, 1] = 10 * x[:, 0]
    result = augment(Permutation(segments=7, p=1.0), x, inputs=SERIES)
    assert torch.equal(result[:, 1], 10 * result[:, 0])
    assert torch.equal(result.sort(2)[0], x.sort(2)[0])


def test_more_segments_than_time_steps(augment: Callable[..., Tensor], ramps: Callable[..., Tensor]) -> None:
    result = augment(Permutation(segments=8, p=1.0), ramps(200, 3), inputs=SERIES)[:, 0]
    assert {tuple(row) for row in result.tolist()} == set(permutations((0.0, 1.0, 2.0)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(
    dtype: torch.dtype, augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    x = waves(dtype=dtype)
    result = augment(Permutation(p=0.0), x, inputs=SERIES)
    assert torch.equal(result, x)
    assert result.dtype == dtype
