from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import SeriesScaling

SERIES = Inputs("series")


def test_one_factor_per_sample_and_channel(augment: Callable[..., Tensor], waves: Callable[..., Tensor]) -> None:
    x = waves(800, 5)
    factors = (augment(SeriesScaling(0.3), x, inputs=SERIES) / x).numpy()
    assert np.ptp(factors, axis=2).max() < 1e-12
    drawn = (factors[:, :, 0] - 1) / 0.3
    assert stats.kstest(drawn.ravel(), stats.norm.cdf).pvalue > 0.001
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 4 / 800**0.5


def test_p_is_the_share_of_changed_rows(augment: Callable[..., Tensor]) -> None:
    x = torch.ones(2000, 2, 3)
    changed = (augment(SeriesScaling(0.3, p=0.4), x, inputs=SERIES) != x).flatten(1).any(1)
    assert float(changed.double().mean()) == pytest.approx(0.4, abs=4 * (0.24 / 2000) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(
    dtype: torch.dtype, augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    x = waves(dtype=dtype)
    for neutral in (SeriesScaling(0.0), SeriesScaling(0.5, p=0.0)):
        result = augment(neutral, x, inputs=SERIES)
        assert torch.equal(result, x)
        assert result.dtype == dtype
