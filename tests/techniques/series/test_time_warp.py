from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.interpolate import CubicSpline
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import TimeWarp

SERIES = Inputs("series")


def test_times_are_the_integral_of_a_smooth_speed(ramps: Callable[..., Tensor]) -> None:
    """A ramp becomes the interpolated times; compared with scipy's spline and quadrature."""
    x, warp = ramps(5, 201), TimeWarp(0.5, knots=3)
    (z,) = (drawn.double() for drawn in warp.sample(x, torch.Generator().manual_seed(0)))
    result = warp.transform(x, (z,), SERIES)[:, 0].numpy()
    for row in range(5):
        curve = CubicSpline(np.linspace(0, 200, 5), z[row].numpy())
        parts = [quad(lambda t: np.exp(0.5 * curve(t)), a, a + 1)[0] for a in range(200)]  # noqa: B023
        times = np.concatenate([[0], np.cumsum(parts)]) * 200 / np.sum(parts)
        np.testing.assert_allclose(result[row], times, rtol=0, atol=5e-3)  # sums in the middle of each step
    assert np.abs(result - x[:, 0].numpy()).max() > 2


def test_time_runs_forward_from_end_to_end(augment: Callable[..., Tensor], ramps: Callable[..., Tensor]) -> None:
    result = augment(TimeWarp(2.0, knots=8), ramps(300, 40), inputs=SERIES)[:, 0]
    assert bool((result.diff(dim=1) >= 0).all())
    assert bool((result[:, 0] == 0).all())
    torch.testing.assert_close(result[:, -1], torch.full((300,), 39.0, dtype=torch.float64))
    assert len({tuple(row) for row in result.tolist()}) == 300


def test_channels_stay_aligned(augment: Callable[..., Tensor], waves: Callable[..., Tensor]) -> None:
    x = waves()
    x[:, 1] = 10 * x[:, 0]
    result = augment(TimeWarp(0.5), x, inputs=SERIES)
    torch.testing.assert_close(result[:, 1], 10 * result[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(
    dtype: torch.dtype, augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    for time in (50, 2, 1):
        x = waves(time=time, dtype=dtype)
        for neutral in (TimeWarp(0.0), TimeWarp(0.5, p=0.0)):
            result = augment(neutral, x, inputs=SERIES)
            assert torch.equal(result, x)
            assert result.dtype == dtype
    assert torch.equal(augment(TimeWarp(1.0, knots=0), x, inputs=SERIES), x)  # a single time step
