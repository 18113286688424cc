from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch

from goodfit.data import Sounds, load
from goodfit.errors import InputError
from goodfit.models import LogMel, build, mel_cnn
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many

together = partial(fit_many, population=True)


def by_scipy(x: Any, rate: int, window: int, hop: int, bands: int) -> Any:
    """The log-mel spectrogram (band, frame) of a sound (time,), from scipy's spectra and filters by np.interp."""
    padded = np.pad(x, (window // 2, window))
    _, _, spectra = scipy.signal.stft(
        padded, rate, scipy.signal.get_window("hann", window), window, window - hop, boundary=None, padded=False
    )
    power = np.abs(spectra[:, : len(x) // hop + 1] * window / 2) ** 2  # scipy divides by the sum of the window
    hertz = np.arange(window // 2 + 1) * rate / window
    mels = np.linspace(0, 2595 * np.log10(1 + rate / 1400), bands + 2)
    ends = 700 * (10 ** (mels / 2595) - 1)
    filters = np.stack([np.interp(hertz, ends[b : b + 3], [0, 1, 0], 0, 0) for b in range(bands)])
    return np.log(1e-6 + filters @ power)


@pytest.mark.parametrize("shape", [(8000, 256, 128, 40), (16000, 512, 160, 64), (8000, 255, 100, 20)])
@pytest.mark.parametrize("length", [4000, 1111, 100])
def test_equals_scipy(shape: tuple[int, int, int, int], length: int) -> None:
    x = torch.randn(2, 3, length, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs = LogMel(*shape).double()(x)
    assert outputs.shape == (2, 3, shape[3], length // shape[2] + 1)
    for row, channel in ((0, 0), (1, 2)):
        expected = by_scipy(x[row, channel].numpy(), *shape)
        np.testing.assert_allclose(outputs[row, channel].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_a_tone_is_in_its_band_and_silence_is_the_minimum() -> None:
    mel = LogMel(8000, 256, 128, 40)
    t = torch.arange(8000) / 8000
    hertz = 700 * (10 ** (torch.linspace(0, 2595 * np.log10(1 + 4000 / 700), 42)[1:-1] / 2595) - 1)
    for band in (5, 20, 35):
        heard = mel(torch.sin(2 * torch.pi * hertz[band] * t)[None, None])[0, 0, :, 5:-5]
        assert set(heard.argmax(0).tolist()) == {band}
    assert bool((mel(torch.zeros(1, 1, 500)) == np.log(np.float32(1e-6))).all())
    assert not mel.state_dict()


def test_bands_without_a_frequency() -> None:
    with pytest.raises(InputError, match=r"LogMel: .* of 80 bands without one for windows of 64 samples at rate 16000"):
        LogMel(16000, 64, 32, 80)
    with pytest.raises(InputError, match="LogMel: every size must be at least 1 and window at least 2"):
        LogMel(16000, 64, 0, 8)


@pytest.mark.parametrize("rate", [100, 4000, 8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_sampling_rates(rate: int) -> None:
    network = mel_cnn((2, rate + 2000), 5, (4, 6), rate)
    outputs = network(torch.randn(3, 2, rate + 2000))
    assert outputs.shape == (3, 5)
    outputs.sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters() if p.ndim > 1)


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("mel_cnn", (20,), "mel_cnn: inputs must be sound (channels, time), got (20,)"),
        ("mel_cnn:8-8-8", (1, 800), "require at least 896 samples, got 800; use fewer layers, such as mel_cnn:8"),
        (
            "mel_cnn:2-2-2-2-2-2",
            (1, 80000),
            "mel_cnn: 6 poolings by 2 require at least 64 bands, got 40; use fewer layers",
        ),
        ("mel_cnn:0", (1, 8000), "mel_cnn: every size must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError) as raised:
        build(text, shape, 2, seed=0)
    assert message in str(raised.value)


def test_the_shortest_sound() -> None:
    assert build("mel_cnn:4-4-4", (1, 896), 2, seed=0).eval()(torch.zeros(1, 1, 896)).shape == (1, 2)


def test_a_population_equals_single_runs() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = np.sin(2 * np.pi * np.array([0.02, 0.05, 0.12])[y][:, None] * np.arange(600)) + rng.normal(size=(60, 600))
    split = load((x[:, None], y), options=Sounds()).split()
    recipes = ["", "gain=6, spec_augment", "sound_shift=0.2, pitch=2"]
    training = Training(epochs=3, batch_size=12, learning_rate=0.01)
    alone = [fit("mel_cnn:4-6", split, recipe, training) for recipe in recipes]
    runs: Any = together("mel_cnn:4-6", split, recipes, training, progress=False)
    for run, single in zip(runs, alone, strict=True):
        np.testing.assert_allclose(run.history["train_loss"], single.history["train_loss"], rtol=1e-3)
        assert run.history["train_loss"][-1] < run.history["train_loss"][0]


@pytest.mark.parametrize(("shape", "outputs"), [((1, 8000), 0), ((0, 8000), 2)])
def test_outputs_and_channels_are_at_least_1(shape: tuple[int, ...], outputs: int) -> None:
    with pytest.raises(InputError, match=rf"^mel_cnn: every size must be at least 1, .*outputs {outputs}"):
        mel_cnn(shape, outputs, (4,))
