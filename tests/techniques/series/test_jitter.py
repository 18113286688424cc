from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from goodfit.data import Inputs
from goodfit.errors import InputError
from goodfit.techniques import Jitter

SERIES = Inputs("series")


def test_noise_is_in_units_of_each_channel_s_standard_deviation(
    augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    x = waves(100)
    noise = (augment(Jitter(0.2), x, inputs=SERIES) - x).numpy()
    for channel in range(3):
        unit = x[:, channel].numpy().std()
        assert stats.kstest(noise[:, channel].ravel() / (0.2 * unit), stats.norm.cdf).pvalue > 0.001


def test_standard_deviations_are_those_of_the_whole_batch(
    augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    x = waves()
    some, everyone = (augment(Jitter(0.2, p=p), x, inputs=SERIES) for p in (0.3, 1.0))
    changed = (some != x).flatten(1).any(1)
    assert 4 < int(changed.sum()) < 24
    assert torch.equal(some[changed], everyone[changed])


def test_independent_of_the_units_of_the_data(augment: Callable[..., Tensor], waves: Callable[..., Tensor]) -> None:
    scale = torch.tensor([3.0, 0.01, 1e4], dtype=torch.float64)[:, None]
    x = waves()
    result = augment(Jitter(0.2), scale * x + 5, inputs=SERIES)
    torch.testing.assert_close((result - 5) / scale, augment(Jitter(0.2), x, inputs=SERIES), rtol=1e-9, atol=1e-9)


def test_a_constant_channel_does_not_change(augment: Callable[..., Tensor], waves: Callable[..., Tensor]) -> None:
    x = waves()
    x[:, 1] = 7.0
    result = augment(Jitter(0.2), x, inputs=SERIES)
    torch.testing.assert_close(result[:, 1], x[:, 1], rtol=0, atol=1e-12)
    assert not torch.equal(result[:, 0], x[:, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(
    dtype: torch.dtype, augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    x = waves(dtype=dtype)
    for neutral in (Jitter(0.0), Jitter(0.5, p=0.0)):
        result = augment(neutral, x, inputs=SERIES)
        assert torch.equal(result, x)
        assert result.dtype == dtype


def test_tables_are_refused(augment: Callable[..., Tensor]) -> None:
    with pytest.raises(InputError, match="Jitter: it acts on series data; these inputs are table data"):
        augment(Jitter(), torch.zeros(3, 4), inputs=Inputs())
