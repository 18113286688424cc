from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.errors import InputError
from goodfit.techniques import SwapNoise

UNITS = ((0,), (1,), (2,), (3, 4, 5), (6,), (7, 8, 9, 10))


def test_by_hand(mixed_inputs: Inputs, make_rows: Callable[..., Tensor]) -> None:
    """Column by column in plain Python, from the same draw."""
    x = make_rows(50)
    noise, donor = SwapNoise(0.3).sample(x, torch.Generator().manual_seed(1))
    expected = x.numpy().copy()
    for row in range(50):
        for unit in UNITS:
            if noise[row, unit[0]] < 0.3:
                expected[row, list(unit)] = x[donor[row, unit[0]], list(unit)].numpy()
    result = SwapNoise(0.3).transform(x, (noise, donor), mixed_inputs)
    assert np.array_equal(result.numpy(), expected)
    assert not torch.equal(result, x)


def test_donors_are_uniform_over_the_other_rows() -> None:
    x = torch.zeros(5, 4000)
    donor = SwapNoise().sample(x, torch.Generator().manual_seed(0))[1]
    for row in range(5):
        counts = torch.bincount(donor[row], minlength=5)
        assert int(counts[row]) == 0
        assert float((counts.double() / 4000 - 0.25)[counts > 0].abs().max()) < 4 * (0.1875 / 4000) ** 0.5
    assert len({tuple(column) for column in donor.T.tolist()}) > 900  # of 1024: drawn per column


def test_share_of_replaced_groups(augment: Callable[..., Tensor], mixed_inputs: Inputs) -> None:
    """All columns of a row hold the row's number: a group never mixes two rows."""
    n = 3000
    x = torch.arange(n, dtype=torch.float64)[:, None].expand(n, 11).contiguous()
    result = augment(SwapNoise(0.2), x, inputs=mixed_inputs)
    for unit in UNITS:
        block = result[:, list(unit)]
        assert bool((block == block[:, :1]).all())
        share = float((block[:, 0] != x[:, 0]).double().mean())
        assert share == pytest.approx(0.2, abs=4 * (0.16 / n) ** 0.5)


def test_categories_stay_whole(
    augment: Callable[..., Tensor],
    mixed_inputs: Inputs,
    make_rows: Callable[..., Tensor],
    categories_valid: Callable[..., bool],
) -> None:
    x = make_rows()
    result = augment(SwapNoise(0.5), x, inputs=mixed_inputs)
    assert categories_valid(result)
    assert not categories_valid(
        augment(SwapNoise(0.5), x, inputs=Inputs(), seed=0), none=True
    )  # one-hot blocks that are not declared
    for column in (0, 1, 6):
        assert set(result[:, column].tolist()) <= set(x[:, column].tolist())


def test_unchanged_rows_are_donors_too(augment: Callable[..., Tensor], mixed_inputs: Inputs, make_rows: Any) -> None:
    x = make_rows(40)
    some, everyone = (augment(SwapNoise(0.4, p=p), x, inputs=mixed_inputs) for p in (0.3, 1.0))
    changed = (some != x).any(1)
    assert 4 < int(changed.sum()) < 24
    assert torch.equal(some[changed], everyone[changed])
    assert set(some[changed][:, 0].tolist()) & set(x[~changed][:, 0].tolist())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(
    dtype: torch.dtype, augment: Callable[..., Any], mixed_inputs: Inputs, make_rows: Any
) -> None:
    x = make_rows(dtype=dtype)
    for neutral in (SwapNoise(0.0), SwapNoise(0.5, p=0.0)):
        result = augment(neutral, x, inputs=mixed_inputs)
        assert torch.equal(result, x)
        assert result.dtype == dtype
    assert torch.equal(augment(SwapNoise(1.0), x[:1], inputs=mixed_inputs), x[:1])  # there is no other row


def test_images_have_no_columns(augment: Callable[..., Tensor]) -> None:
    with pytest.raises(InputError, match="SwapNoise: it acts on table data; these inputs are image data"):
        augment(SwapNoise(), torch.zeros(2, 1, 4, 4))
