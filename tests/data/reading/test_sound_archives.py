"""Arrays and archives of sounds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.data import Dataset, Options, Sounds, load
from goodfit.data.inputs import InputOptions
from goodfit.errors import InputError


def warned(caplog: pytest.LogCaptureFixture, source: Path, options: Options | None = None) -> tuple[Dataset, str]:
    """The loaded data and the logged warnings."""
    with caplog.at_level(logging.WARNING, "goodfit"):
        return load(source, options=options), caplog.text


def test_arrays_with_a_rate() -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 100)), np.arange(40) % 2
    data = load((x, y), options=Sounds(rate=16000))
    assert data.x.shape == (40, 1, 100)
    inputs = data.split().spec.inputs
    assert (inputs.kind, inputs.rate) == ("sound", 16000)
    loudest = np.abs(data.x[data.split().train.rows]).max()
    mean, scale = (float(move(data.x[data.split().train.rows])) for move in (np.mean, np.std))
    assert [inputs.low * scale + mean, inputs.high * scale + mean] == pytest.approx([-loudest, loudest])


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """Writes an archive of 40 clips of 90 to 129 samples."""

    def write(**other: Any) -> Path:
        lengths = np.arange(40) + 90
        samples = np.random.default_rng(0).integers(-3000, 3000, lengths.sum()).astype(np.int16)
        label, who = np.array(["no", "yes"] * 20), np.arange(40) // 4
        arrays = {"samples": samples, "lengths": lengths, "label": label, "who": who} | other
        np.savez(tmp_path / "clips.npz", **{name: array for name, array in arrays.items() if array is not None})
        return tmp_path / "clips.npz"

    return write


def test_an_archive(archive: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    path = archive()
    data, log = warned(caplog, path)
    assert (data.kind, data.rate, data.target, data.classes) == ("sound", 0, "label", ("no", "yes"))
    assert data.x.shape == (40, 1, 127)
    assert data.x.dtype == np.float32
    assert "sounds of 90 to 129 samples get the length 127: the end of 2 is cut off, 37 are padded" in log
    with np.load(path) as stored:
        assert np.array_equal(data.x[1, 0, :91], stored["samples"][90:181] / 32768)  # as a file's 16 bits would be
    assert not data.x[1, 0, 91:].any()
    split = load(path, "label", groups="who").split(how="grouped")
    rows = [set((part.rows // 4).tolist()) for part in split.parts.values()]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 10


def test_an_archive_with_a_rate(archive: Callable[..., Path]) -> None:
    path = archive(sample_rate=np.array(1000))
    assert load(path, "label", Sounds(seconds=0.05)).x.shape == (40, 1, 50)
    assert load(path, "label").rate == 1000
    half = load(path, "label", Sounds(rate=500, seconds=0.05))
    assert (half.rate, half.x.shape, half.x.dtype) == (500, (40, 1, 25), np.float32)
    assert load(archive(), "label", Sounds(rate=1000, seconds=0.05)).x.shape == (40, 1, 50)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lengths": np.arange(40)}, "lengths of 'clips.npz' add up to 780, but it has 4380 samples"),
        ({"lengths": np.arange(40) / 2}, "lengths of 'clips.npz' must be whole numbers of at least 0, got float64"),
        ({"samples": np.zeros((4380, 2))}, "samples of 'clips.npz' must be int16 or floats, one sound after the other"),
        ({"label": None, "who": np.arange(3)}, "load: name the array of targets: target=….* Known: who"),
        ({"label": np.arange(3)}, "x has 40 rows"),
    ],
)
def test_archives_that_do_not_fit(archive: Callable[..., Path], changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(archive(**changed))


def test_seconds_need_a_rate(archive: Callable[..., Path]) -> None:
    with pytest.raises(
        InputError, match=r"load: seconds=.* needs the rate of the sounds, which is unknown; give rate="
    ):
        load(archive(), options=Sounds(seconds=1.0))


def test_spoken_digits(shared: Callable[[str], Path]) -> None:
    """The usual test part of this data set are the takes 0 to 4; it is passed as arrays."""
    path = shared("audio/fsdd.npz")
    data = load(path, "label", Sounds(rate=8000, seconds=1.0), groups="speaker")
    assert repr(data) == "Dataset(fsdd: 3000 × 1 × 8000, target 'label', 10 classes)"
    assert (data.kind, data.rate) == ("sound", 8000)
    assert len(data.split(how="grouped").test) == 500  # one of six speakers
    with np.load(path) as archive:
        tested = archive["take"] < 5
    train, test = (load((data.x[rows], data.y[rows]), options=Sounds(rate=8000)) for rows in (~tested, tested))
    official = Dataset(
        "fsdd",
        train.x,
        train.y,
        train.task,
        "digit",
        data.classes,
        test=(test.x, test.y),
        input_options=InputOptions("sound", 8000),
    )
    split = official.split()
    assert [len(part) for part in split.parts.values()] == [1906, 318, 476, 300]
    assert split.spec.inputs.rate == 8000
