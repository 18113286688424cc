from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import WindowWarp

SERIES = Inputs("series")


def by_numpy(series: np.ndarray, begin: float, end: float, ratio: float) -> np.ndarray:
    """The series with the window played at 1 / ratio of its speed, by np.interp."""
    last = len(series) - 1
    corners = np.array([0.0, begin, end, last])
    new = np.array([0.0, begin, begin + (end - begin) * ratio, last + (end - begin) * (ratio - 1)])
    return np.interp(np.interp(np.linspace(0, new[-1], len(series)), new, corners), np.arange(len(series)), series)


@pytest.mark.parametrize(("factor", "size"), [(2.0, 0.1), (2.0, 0.5), (3.5, 0.3), (1.2, 1.0)])
def test_equals_numpy_interp(factor: float, size: float, waves: Callable[..., Tensor]) -> None:
    x, warp = waves(), WindowWarp(factor, size=size)
    place, way = (drawn.double() for drawn in warp.sample(x, torch.Generator().manual_seed(0)))
    result = warp.transform(x, (place, way), SERIES).numpy()
    for row, series in enumerate(x.numpy()):
        begin = (float(place[row]) + 1) / 2 * (1 - size) * 49
        ratio = factor if way[row] > 0 else 1 / factor
        expected = [by_numpy(channel, begin, begin + size * 49, ratio) for channel in series]
        np.testing.assert_allclose(result[row], expected, rtol=0, atol=1e-9)


def test_windows_are_stretched_or_compressed_at_any_position(
    augment: Callable[..., Tensor], ramps: Callable[..., Tensor]
) -> None:
    """A ramp becomes the interpolated times; outside the window they are equally spaced."""
    result = augment(WindowWarp(2.0, size=0.2), ramps(600, 101), inputs=SERIES)[:, 0].numpy()
    np.testing.assert_allclose(result[:, 0], 0, atol=1e-9)
    np.testing.assert_allclose(result[:, -1], 100, atol=1e-9)
    steps = np.diff(result, axis=1)
    assert steps.min() > 0
    slow = steps[:, 0] > 1  # the series is longer, so the rest is played faster
    first_in_window = np.isclose(steps, np.where(slow, 0.6, 1.8)[:, None]).argmax(1)  # 1.2 / 2, and 0.9 · 2
    assert abs(slow.mean() - 0.5) < 4 * (0.25 / 600) ** 0.5
    begins = result[np.arange(600), first_in_window]
    assert begins.min() < 3
    assert 77 < begins.max() <= 82
    assert abs(begins.mean() - 40.7) < 4 * 80 / 12**0.5 / 600**0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(
    dtype: torch.dtype, augment: Callable[..., Tensor], waves: Callable[..., Tensor]
) -> None:
    for time in (50, 2, 1):
        x = waves(time=time, dtype=dtype)
        for neutral in (WindowWarp(1.0, size=0.37), WindowWarp(3.0, p=0.0)):
            result = augment(neutral, x, inputs=SERIES)
            assert torch.equal(result, x)
            assert result.dtype == dtype
