from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate
import torch

from goodfit.ops.resample import filter_frequencies, padded_length, relative_frequencies, resample


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_resampling_equals_the_cubic_through_four_values() -> None:
    x = noise(2, 1, 30)
    rate = torch.tensor([0.3, 1.7], dtype=torch.float64)
    result = resample(x, rate, 12)
    for row, step in enumerate(rate.tolist()):
        for k in range(1, 12):
            at = step * k
            first = int(at) - 1
            four = np.arange(first, first + 4)
            values = [float(x[row, 0, i]) if 0 <= i < 30 else 0.0 for i in four]
            expected = scipy.interpolate.BarycentricInterpolator(four.astype(float), values)(at)
            assert float(result[row, 0, k]) == pytest.approx(float(expected), abs=1e-5)


def test_filter_equals_numpy_and_padding_is_long_enough() -> None:
    x = noise(2, 3, 200)
    gain = torch.rand(2, len(relative_frequencies(200, x)), dtype=torch.float64)
    expected = np.fft.irfft(np.fft.rfft(x.numpy(), padded_length(200)) * gain[:, None].numpy())[..., :200]
    np.testing.assert_allclose(filter_frequencies(x, gain).numpy(), expected, atol=1e-12)
    for length in (1, 63, 8000, 12345):
        assert padded_length(length) >= length + max(64, length // 16)
        assert padded_length(length) % 2 == 0
