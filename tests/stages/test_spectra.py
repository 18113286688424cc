from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate
import scipy.signal
import torch

from goodfit.stages.spectra import bins, frames, padded, smoothed, sound, spectra, stretched, taken


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("length", [1, 7, 64, 100, 1000])
@pytest.mark.parametrize("window", [16, 64, 510])
def test_there_and_back(length: int, window: int) -> None:
    x = noise(3, 2, length)
    found = spectra(x, window)
    assert found.shape[:3] == (3, frames(length, window), 2)
    assert not found[:, 0].any()
    assert not found[:, -1].any()
    torch.testing.assert_close(sound(found, window, length), x, rtol=1e-12, atol=1e-12)


def test_spectra_as_scipy() -> None:
    x = noise(1, 1, 300)
    _, _, wanted = scipy.signal.stft(
        np.pad(x[0, 0].numpy(), 32), 1.0, "hann", 64, 48, boundary=None, padded=False, scaling="spectrum"
    )
    found = spectra(x, 64)[0, 2:, 0].T.numpy()  # frame 2 has its middle at the first sample
    np.testing.assert_allclose(found[:, : wanted.shape[1]], wanted * 32, atol=1e-12)


def test_finer_sound_goes_through_the_same_values() -> None:
    x = torch.sin(torch.arange(500, dtype=torch.float64) * 0.3)[None, None]
    fine = sound(spectra(x, 64), 64, 500, 3)
    assert fine.shape == (1, 1, 1500)
    wanted = torch.sin(torch.arange(1500, dtype=torch.float64) * 0.1)
    torch.testing.assert_close(fine[0, 0, 150:1200], wanted[150:1200], rtol=0, atol=1e-4)


def test_rate_one_is_the_sound_itself() -> None:
    found = spectra(noise(2, 1, 400), 64)
    again = stretched(found, torch.ones(2, dtype=torch.float64), found.shape[1])
    torch.testing.assert_close(again, found, rtol=1e-9, atol=1e-9)


def test_values_between_are_on_the_cubic_through_four() -> None:
    x = noise(2, 1, 30)
    rate = torch.tensor([0.3, 1.7], dtype=torch.float64)
    found = taken(x, rate, 12)
    for row, step in enumerate(rate.tolist()):
        for k in range(1, 12):
            at = step * k
            first = int(at) - 1
            four = np.arange(first, first + 4)
            values = [float(x[row, 0, i]) if 0 <= i < 30 else 0.0 for i in four]
            wanted = scipy.interpolate.BarycentricInterpolator(four.astype(float), values)(at)
            assert float(found[row, 0, k]) == pytest.approx(float(wanted), abs=1e-5)


def test_gains_and_room_behind_the_sound() -> None:
    x = noise(2, 3, 200)
    gain = torch.rand(2, len(bins(200, x)), dtype=torch.float64)
    wanted = np.fft.irfft(np.fft.rfft(x.numpy(), padded(200)) * gain[:, None].numpy())[..., :200]
    np.testing.assert_allclose(smoothed(x, gain).numpy(), wanted, atol=1e-12)
    for length in (1, 63, 8000, 12345):
        assert padded(length) >= length + max(64, length // 16)
        assert padded(length) % 2 == 0
