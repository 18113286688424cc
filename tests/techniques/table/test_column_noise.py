from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor

from goodfit.data import Inputs, load
from goodfit.techniques import ColumnNoise

NUMBERS, CODES = [0, 1, 6], [2, 3, 4, 5, 7, 8, 9, 10]


def test_noise_on_numbers_only(
    augment: Callable[..., Tensor], mixed_inputs: Inputs, make_rows: Callable[..., Tensor]
) -> None:
    x = make_rows(2000)
    result = augment(ColumnNoise(0.3), x, inputs=mixed_inputs)
    assert torch.equal(result[:, CODES], x[:, CODES])
    noise = ((result - x)[:, NUMBERS] / 0.3).numpy()
    for column in noise.T:
        assert stats.kstest(column, stats.norm.cdf).pvalue > 0.001
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 4 / 2000**0.5


def test_units_are_those_of_the_raw_columns(augment: Callable[..., Tensor]) -> None:
    """Columns with standard deviations 1 and 1000, one with missing values, and a category; stddev=0.1."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "small": rng.normal(size=900),
        "large": 1000 * rng.normal(size=900),
        "city": rng.choice(["Rome", "Oslo", "Lima"], 900),
        "y": rng.choice(["a", "b"], 900),
    })  # fmt: skip
    table.loc[:99, "small"] = np.nan
    split = load(table, "y").split()
    assert split.preprocessing is not None
    names = list(split.preprocessing.features.feature_names)
    assert split.spec.inputs.groups == ((2, 3), (3, 6))
    assert names[2] == "small is missing"
    result = augment(ColumnNoise(0.1), split.train.x, inputs=split.spec.inputs)
    moved = result - split.train.x
    assert bool((moved[:, 2:] == 0).all())
    spreads = split.train.x[:, :2].std(0), moved[:, :2].std(0)
    assert spreads[0].tolist() == pytest.approx([1, 1], abs=0.01)
    assert spreads[1].tolist() == pytest.approx([0.1, 0.1], rel=0.15)


def test_p_is_the_share_of_changed_rows(augment: Callable[..., Tensor], mixed_inputs: Inputs) -> None:
    changed = augment(ColumnNoise(0.3, p=0.4), torch.zeros(2000, 11), inputs=mixed_inputs).any(1)
    assert float(changed.double().mean()) == pytest.approx(0.4, abs=4 * (0.24 / 2000) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(
    dtype: torch.dtype, augment: Callable[..., Tensor], mixed_inputs: Inputs, make_rows: Callable[..., Tensor]
) -> None:
    x = make_rows(dtype=dtype)
    for inputs in (mixed_inputs, Inputs()):
        for neutral in (ColumnNoise(0.0), ColumnNoise(0.5, p=0.0)):
            result = augment(neutral, x, inputs=inputs)
            assert torch.equal(result, x)
            assert result.dtype == dtype
