from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from goodfit.ops.stft import frame_count, istft, phase_vocoder, stft


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("length", [1, 7, 64, 100, 1000])
@pytest.mark.parametrize("window", [16, 64, 510])
def test_istft_inverts_stft(length: int, window: int) -> None:
    x = noise(3, 2, length)
    result = stft(x, window)
    assert result.shape[:3] == (3, frame_count(length, window), 2)
    assert not result[:, 0].any()
    assert not result[:, -1].any()
    torch.testing.assert_close(istft(result, window, length), x, rtol=1e-12, atol=1e-12)


def test_stft_equals_scipy() -> None:
    x = noise(1, 1, 300)
    _, _, expected = scipy.signal.stft(
        np.pad(x[0, 0].numpy(), 32), 1.0, "hann", 64, 48, boundary=None, padded=False, scaling="spectrum"
    )
    result = stft(x, 64)[0, 2:, 0].T.numpy()  # frame 2 is centred at the first sample
    np.testing.assert_allclose(result[:, : expected.shape[1]], expected * 32, atol=1e-12)


def test_upsampled_sound_has_the_same_values() -> None:
    x = torch.sin(torch.arange(500, dtype=torch.float64) * 0.3)[None, None]
    fine = istft(stft(x, 64), 64, 500, 3)
    assert fine.shape == (1, 1, 1500)
    expected = torch.sin(torch.arange(1500, dtype=torch.float64) * 0.1)
    torch.testing.assert_close(fine[0, 0, 150:1200], expected[150:1200], rtol=0, atol=1e-4)


def test_phase_vocoder_at_rate_one_is_the_identity() -> None:
    result = stft(noise(2, 1, 400), 64)
    repeated = phase_vocoder(result, torch.ones(2, dtype=torch.float64), result.shape[1])
    torch.testing.assert_close(repeated, result, rtol=1e-9, atol=1e-9)
