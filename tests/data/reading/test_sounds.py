"""Sound files: their samples, and what is logged."""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from goodfit.data import Clips, Dataset, Images, Options, Sounds, load
from goodfit.data.reading.sounds import resample
from goodfit.errors import InputError, MissingExtra

Put = Callable[..., Path]
HERTZ = {"high": 1000, "low": 250}


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a tone into a class's folder."""

    def write(
        name: str, seconds: float = 0.5, rate: int = 8000, channels: int = 1, size: float = 0.5, root: str = "tones"
    ) -> Path:
        path = tmp_path / root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        t = np.arange(round(seconds * rate)) / rate
        wave = size * np.sin(2 * np.pi * HERTZ.get(path.parent.name, 500) * t)
        soundfile.write(path, np.repeat(wave[:, None], channels, 1), rate)
        return path

    return write


@pytest.fixture
def tones(put: Put, tmp_path: Path) -> Path:
    """Ten tones each of two classes, half a second at 8,000 samples per second."""
    for number in range(10):
        for kind in HERTZ:
            put(f"{kind}/{number:02}.wav")
    return tmp_path / "tones"


def warned(caplog: pytest.LogCaptureFixture, source: Path, options: Options | None = None) -> tuple[Dataset, str]:
    """The loaded data and the logged warnings."""
    with caplog.at_level(logging.WARNING, "goodfit"):
        return load(source, options=options), caplog.text


def test_a_folder_per_class(tones: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, log = warned(caplog, tones)
    assert not log
    assert (data.kind, data.rate, data.classes, data.target) == ("sound", 8000, ("high", "low"), "class")
    assert data.x.shape == (20, 1, 4000)
    assert data.x.dtype == np.float32
    for row, kind in ((0, "high"), (15, "low")):
        expected = 0.5 * np.sin(2 * np.pi * HERTZ[kind] * np.arange(4000) / 8000)
        np.testing.assert_allclose(data.x[row, 0], expected, atol=1e-4)
    inputs = data.split().spec.inputs
    assert (inputs.kind, inputs.rate) == ("sound", 8000)


@pytest.mark.parametrize("ending", ["flac", "ogg", "mp3"])
def test_other_kinds_of_files(ending: str, put: Put, tmp_path: Path) -> None:
    for number in range(6):
        for kind in HERTZ:
            put(f"{kind}/{number}.{ending.upper() if number else ending}")
    data = load(tmp_path / "tones", options=Sounds(seconds=0.4))
    assert data.x.shape == (12, 1, 3200)
    for row, kind in ((0, "high"), (8, "low")):
        sizes = np.abs(np.fft.rfft(data.x[row, 0, :3200] * np.hanning(3200)))
        assert sizes.argmax() * 2.5 == pytest.approx(HERTZ[kind], abs=2.5)


def test_channels_are_averaged(tones: Path, tmp_path: Path) -> None:
    stereo = np.stack([np.full(4000, 0.5), np.full(4000, -0.25)], 1)
    soundfile.write(tones / "low" / "zz.wav", stereo, 8000)
    np.testing.assert_allclose(load(tones).x[-1], 0.125, atol=1e-4)


def test_channels_that_are_kept(put: Put, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(8):
        for kind in HERTZ:
            put(f"{kind}/{number}.wav")
    stereo = np.stack([np.sin(np.arange(8000) * 0.1), 0.25 * np.sin(np.arange(8000) * 0.3)], 1)
    for file in sorted((tmp_path / "tones").rglob("*.wav")):
        soundfile.write(file, stereo[:4000], 8000)
    soundfile.write(tmp_path / "tones" / "low" / "zz.wav", stereo, 16000)  # of another rate
    data = load(tmp_path / "tones", options=Sounds(mono=False))
    assert data.x.shape == (17, 2, 4000)
    np.testing.assert_allclose(data.x[3], stereo[:4000].T, atol=1e-4)
    half = np.stack([np.sin(np.arange(4000) * 0.2), 0.25 * np.sin(np.arange(4000) * 0.6)])
    np.testing.assert_allclose(data.x[-1][:, 100:-100], half[:, 100:-100], atol=0.01)
    assert data.split().train.x.shape[1:] == (2, 4000)
    put("low/yy.wav")
    with pytest.raises(InputError) as raised:
        load(tmp_path / "tones", options=Sounds(mono=False))
    assert str(raised.value) == (
        "load: with mono=False all sounds must have the same number of channels; 1 of 18 do not have 2 "
        "('low/yy.wav'); leave them out, or average channels (mono=True)."
    )
    assert load(tmp_path / "tones").x.shape == (18, 1, 4000)


def test_rates_that_differ(tones: Path, put: Put, caplog: pytest.LogCaptureFixture) -> None:
    put("high/zz.wav", rate=44100)
    data, log = warned(caplog, tones)
    assert "1 of 21 sounds are resampled to the rate 8000: 'high/zz.wav'" in log
    assert data.rate == 8000
    np.testing.assert_allclose(data.x[10, 0, 100:-100], data.x[0, 0, 100:-100], atol=0.01)
    data = load(tones, options=Sounds(rate=4000))
    assert data.x.shape == (21, 1, 2000)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2000) / 4000)
    np.testing.assert_allclose(data.x[3, 0, 100:-100], expected[100:-100], atol=0.01)


def test_lengths_that_differ(tones: Path, put: Put, caplog: pytest.LogCaptureFixture) -> None:
    put("high/zy.wav", seconds=2.0)
    put("low/zz.wav", seconds=0.25)
    data, log = warned(caplog, tones)
    assert data.x.shape == (22, 1, 4000)
    assert "sounds of 0.25 to 2 s get the length 0.5: the end of 1 is cut off, 1 are padded with silence" in log
    assert np.abs(data.x[-1, 0, :2000]).max() > 0.4
    assert not data.x[-1, 0, 2000:].any()
    assert load(tones, options=Sounds(seconds=2.0)).x.shape == (22, 1, 16000)


def test_questionable_sounds_give_warnings(tones: Path, put: Put, caplog: pytest.LogCaptureFixture) -> None:
    put("low/silent.wav", size=0.0)
    put("low/loud.wav", size=1.3)
    put("low/short.wav", seconds=0.001)
    put("low/empty.wav", seconds=0.0)
    data, log = warned(caplog, tones)
    assert len(data) == 24
    assert "1 of 24 sounds are silent: 'low/silent.wav'" in log
    assert "1 of 24 sounds are clipped (more than 1 % of their values at full scale): 'low/loud.wav'" in log
    assert "2 of 24 sounds are shorter than 16 samples: 'low/empty.wav', 'low/short.wav'" in log


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_damaged_files_are_named(tones: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tones / "low" / "bad.wav").write_bytes(content)
    with pytest.raises(InputError) as raised:
        load(tones)
    assert "1 of 21 files cannot be read: 'low/bad.wav'" in str(raised.value)
    assert "leave them out with damaged='skip'" in str(raised.value)
    data, log = warned(caplog, tones, Options(damaged="skip"))
    assert len(data) == len(data.x) == 20
    assert "low/bad.wav" in log


def test_truncated_and_poisoned_files_are_damaged(tones: Path, put: Put) -> None:
    path = put("low/cut.flac", seconds=3)
    path.write_bytes(path.read_bytes()[:2000])
    soundfile.write(tones / "low" / "nan.wav", np.full(4000, np.nan), 8000, subtype="FLOAT")
    with pytest.raises(InputError, match=r"2 of 22 files cannot be read: 'low/cut.flac', 'low/nan.wav'"):
        load(tones, options=Sounds(seconds=3.0))
    assert len(load(tones, options=Sounds(seconds=3.0, damaged="skip"))) == 20


def test_all_files_are_damaged(tmp_path: Path) -> None:
    for kind in ("a", "b"):
        (tmp_path / "bad" / kind).mkdir(parents=True)
        (tmp_path / "bad" / kind / "x.wav").write_bytes(b"nothing")
    with pytest.raises(InputError, match="2 of 2 files cannot be read"):
        load(tmp_path / "bad", options=Sounds(damaged="skip"))


def test_an_official_test_part_has_the_form_of_the_others(tones: Path, put: Put, tmp_path: Path) -> None:
    for number in range(4):
        for kind in HERTZ:
            put(f"{kind}/{number}.wav", 1.0, 16000, root="parted/test")
    tones.rename(tmp_path / "parted" / "train")
    split = load(tmp_path / "parted").split()
    assert split.test.x.shape == (8, 1, 4000)
    assert len(split.train) + len(split.stop) + len(split.validation) == 20


def test_options_and_data_that_do_not_fit_are_refused(tones: Path, put: Put) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rate": 0}, r"Sounds: rate must be a whole number in \[1, inf\) or None, got rate=0"),
        ({"rate": 8000.5}, r"Sounds: rate must be a whole number in \[1, inf\) or None, got rate=8000.5"),
        ({"seconds": -1.0}, r"Sounds: seconds must be in \(0, inf\) or None, got seconds=-1.0"),
        ({"seconds": float("inf")}, r"Sounds: seconds must be in \(0, inf\) or None, got seconds=inf"),
        ({"mono": 1}, "Sounds: mono must be true or false, got mono=1"),
    ]
    for options, message in wrong:
        with pytest.raises(InputError, match=message):
            Sounds(**options)
    with pytest.raises(InputError, match="load: 'tones' holds no images"):
        load(tones, options=Images(size=8))
    with pytest.raises(InputError, match="load: this is sound data; size is for images and clips; leave it out"):
        load(tones, options=[Images(size=8), Clips(size=8)])
    loose = put("loose.wav", root="flat")
    with pytest.raises(InputError, match="load: 'flat' holds 1 sounds outside of folders; put those of each class"):
        load(loose.parent)
    x, y = np.zeros((20, 4)), np.arange(20) % 2
    with pytest.raises(InputError, match="load: this is table data; rate is for sounds and clips; leave it out"):
        load((x, y), options=[Sounds(rate=8000), Clips(rate=8000)])
    with pytest.raises(InputError, match="load: seconds is for files of sounds, and this is an array; leave it out"):
        load((x, y), options=Sounds(seconds=2.0))


def test_without_soundfile(tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "soundfile":
            raise OSError("sndfile library not found")
        return plain(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"load: sound files need soundfile \(.+\); pip install goodfit\[sound\]"):
        load(tones)


def test_resampling_keeps_a_tone() -> None:
    result = resample(np.sin(np.arange(4410) * 0.01), 44100, 16000)
    np.testing.assert_allclose(result[50:-50], np.sin(np.arange(1600) * 0.01 * 441 / 160)[50:-50], atol=2e-3)
