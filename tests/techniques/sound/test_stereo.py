"""Stereo sounds: one draw for both channels, which stay in phase, and a network for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs, Sounds, load
from goodfit.models import build
from goodfit.stages.sound_base import SoundTransform
from goodfit.techniques import ALL
from goodfit.train.config import Training
from goodfit.train.fit import fit

SOUNDING = sorted(name for name, technique in ALL.items() if issubclass(technique, SoundTransform))
LINEAR = [name for name in SOUNDING if name not in ("sound_noise", "pitch", "time_stretch")]
"""Techniques that treat each channel independently."""


@pytest.mark.parametrize("name", LINEAR)
def test_each_channel_is_transformed_as_a_mono_sound(name: str, augment: Callable[..., Tensor]) -> None:
    x = 0.1 * torch.randn(8, 2, 600)
    technique, inputs = ALL[name](), Inputs("sound", -1.0, 1.0, 8000)
    both = augment(technique, x, inputs=inputs)
    for channel in (0, 1):
        alone = augment(technique, x[:, channel : channel + 1], inputs=inputs)
        torch.testing.assert_close(both[:, channel : channel + 1], alone)


def test_noise_is_equally_loud_and_independent_in_both_channels(augment: Callable[..., Tensor]) -> None:
    x = torch.zeros(1, 2, 20_000)
    x[:, 0] = 0.1 * torch.randn(20_000)  # the other channel is silent
    noise = augment(ALL["sound_noise"](1.0, low=10.0, high=10.0), x, inputs=Inputs("sound", -1.0, 1.0)) - x
    size = noise[0].std(-1)
    assert float(size[0] / size[1]) == pytest.approx(1, abs=0.05)
    expected = x.square().mean().sqrt() * 10 ** (-10 / 20)
    assert float(size.mean()) == pytest.approx(float(expected), rel=0.05)
    assert abs(np.corrcoef(noise[0].numpy())[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("name", "change"), [("time_stretch", -1.0), ("time_stretch", 1.0), ("pitch", -1.0), ("pitch", 1.0)]
)
@pytest.mark.parametrize("turn", [0.5, 2.0, np.pi])
def test_channels_stay_in_phase(name: str, change: float, turn: float) -> None:
    """The phase difference of a tone between the channels does not change."""
    t = np.arange(8000) / 8000
    ears = np.stack([np.sin(2 * np.pi * 400 * t), 0.5 * np.sin(2 * np.pi * 400 * t - turn)])
    technique = ALL[name](0.5) if name == "time_stretch" else ALL[name](4.0)
    x = torch.from_numpy(ears).float()[None]
    result = (
        technique.transform_sound(x, (torch.tensor([change]),), Inputs("sound", -1.0, 1.0, 8000))[0].double().numpy()
    )
    middle = result[:, 1500:4500] * np.hanning(3000)
    left, right = np.fft.rfft(middle, 1 << 17)
    at = np.abs(left).argmax()
    assert np.angle(right[at] / left[at] * np.exp(1j * turn)) == pytest.approx(0, abs=0.05)
    assert np.abs(right[at] / left[at]) == pytest.approx(0.5, rel=0.05)


def test_a_network_learns_from_the_difference_between_channels() -> None:
    """Both channels have the same tones; one channel is louder."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 1, 2000)) * np.stack([1.0 - 0.8 * y, 0.2 + 0.8 * y], 1)[..., None]
    split = load((x.astype(np.float32), y), options=Sounds(rate=8000)).split()
    assert split.spec.input_shape == (2, 2000)
    run = fit("mel_cnn:8", split, "time_stretch=0.1, pitch=1.0, spec_augment", Training(epochs=8, batch_size=8))
    assert run.row["stop_accuracy"] == 1.0
    assert build("mel_cnn", (2, 8000), 3, 0)(torch.randn(4, 2, 8000)).shape == (4, 3)
