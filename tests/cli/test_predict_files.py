"""Predictions for files, which are converted like the training files and named in the output."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image

from goodfit.data import Clips, load
from goodfit.store import load_run

Cli = Callable[..., Any]
KINDS = ("high", "low")


def image(path: Path, kind: str, seed: int, size: tuple[int, int] = (10, 8)) -> Path:
    level = 200 if kind == "high" else 60
    shades = np.random.default_rng(seed).integers(level - 40, level + 40, (size[1], size[0], 3), np.uint8)
    return _saved(path.with_suffix(".png"), lambda at: Image.fromarray(shades).save(at))


def sound(path: Path, kind: str, seed: int, rate: int = 8000, seconds: float = 0.25, channels: int = 1) -> Path:
    t = np.arange(round(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * (900 if kind == "high" else 200) * t + seed)
    return _saved(path.with_suffix(".wav"), lambda at: soundfile.write(at, np.stack([wave] * channels, 1), rate))


def clip(path: Path, kind: str, seed: int, count: int = 6) -> Path:
    level = 200 if kind == "high" else 60
    frames = np.random.default_rng(seed).integers(level - 40, level + 40, (count, 8, 10, 3), np.uint8)

    def write(at: Path) -> None:
        with av.open(str(at), "w") as container:
            stream = container.add_stream("ffv1", rate=10)
            stream.height, stream.width, stream.pix_fmt = 8, 10, "bgr0"
            for values in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(values, format="rgb24")))
            container.mux(stream.encode(None))

    return _saved(path.with_suffix(".mkv"), write)


def message(path: Path, kind: str, seed: int) -> Path:
    words = "shiny bright loud" if kind == "high" else "dark dull quiet"
    return _saved(path.with_suffix(".txt"), lambda at: at.write_text(f"this is {words} number{seed}", "utf-8") and None)


def _saved(path: Path, write: Callable[[Path], None]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    return path


WRITERS: dict[str, Callable[..., Path]] = {"image": image, "sound": sound, "video": clip, "text": message}
MODELS = {"image": "mlp:8", "sound": "mel_cnn:4", "video": "mlp:8", "text": "bag:8-8"}


def folder(root: Path, kind: str, count: int = 12, **how: Any) -> Path:
    """Create a folder with a folder for each class."""
    for number in range(count):
        for name in KINDS:
            WRITERS[kind](root / name / f"{number:02}", name, number, **how)
    return root


@pytest.fixture
def trained(goodfit: Cli, tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Train for one epoch; returns the folders of the run and of the data."""

    def train(kind: str, *options: object, **how: Any) -> tuple[Path, Path]:
        data, out = folder(tmp_path / "data", kind, **how), tmp_path / "run"
        result = goodfit("fit", data, "--model", MODELS[kind], "--epochs", 1, "--out", out, *options)
        assert result.code == 0, result.err
        return out, data

    return train


def read(result: Any) -> pd.DataFrame:
    assert result.code == 0, result.err
    return pd.read_csv(io.StringIO(result.out))


def expected(out: Path, raw: Any) -> tuple[list[str], Any]:
    """Return the predictions of the saved run for raw rows."""
    run = load_run(out)
    assert run.preprocessing is not None
    x = torch.from_numpy(run.preprocessing.transform(raw))
    return run.predict(x), run.probabilities(x)


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_files_in_folders_loose_and_single(kind: str, goodfit: Cli, trained: Any, tmp_path: Path) -> None:
    out, data = trained(kind)
    names, probabilities = expected(out, load(data).x)
    files = [str(f.relative_to(data)) for f in sorted(data.rglob("*.*"))]
    frame = read(goodfit("predict", out, data))
    assert list(frame.columns) == ["file", "class", "p_high", "p_low"]
    assert frame["file"].tolist() == files
    assert frame["class"].tolist() == names
    np.testing.assert_allclose(frame[["p_high", "p_low"]], probabilities, atol=1e-6)
    loose = tmp_path / "loose"
    files = [WRITERS[kind](loose / f"{name}{number}", name, number) for name in KINDS for number in (0, 3, 7)]
    predictions = read(goodfit("predict", out, loose))
    assert predictions["file"].tolist() == [path.name for path in files]
    np.testing.assert_allclose(predictions["p_high"], frame["p_high"][[0, 3, 7, 12, 15, 19]], atol=1e-6)
    single = read(goodfit("predict", out, files[1]))
    assert single["file"].tolist() == [files[1].name]
    np.testing.assert_allclose(single["p_high"], predictions["p_high"][[1]], atol=1e-6)
    written = tmp_path / "answers.csv"
    assert goodfit("predict", out, loose, "--out", written).out.strip() == f"6 predictions in {written}"
    pd.testing.assert_frame_equal(pd.read_csv(written), predictions)


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_damaged_files(kind: str, goodfit: Cli, trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    out, data = trained(kind)
    good = next((data / "low").iterdir())
    (data / "low" / f"bad{good.suffix}").write_bytes(b"\xff\xfe\xfanothing")
    result = goodfit("predict", out, data)
    assert result.code == 2
    assert f"1 of 25 files cannot be read: 'low/bad{good.suffix}'" in result.err
    caplog.clear()
    frame = read(goodfit("predict", out, data, "--damaged", "skip"))
    assert len(frame) == 24
    assert f"low/bad{good.suffix}" not in frame["file"].tolist()
    assert f"'low/bad{good.suffix}'" in caplog.text


def test_images_are_brought_to_size_and_colours(
    goodfit: Cli, trained: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, _ = trained("image", "--size", 4)
    large = image(tmp_path / "new" / "large", "high", 0, (40, 40))
    with Image.open(large) as opened:
        opened.convert("L").save(tmp_path / "new" / "grey.png")
    (tmp_path / "new" / "notes.md").write_text("nothing")
    caplog.clear()
    frame = read(goodfit("predict", out, tmp_path / "new"))
    assert frame["file"].tolist() == ["grey.png", "large.png"]
    assert "1 other files of 'new' are left out" in caplog.text
    assert "2 of 2 images are resized to 4 × 4 (height × width): 'grey.png', 'large.png'" in caplog.text
    with Image.open(large) as opened:
        small = np.asarray(opened.resize((4, 4), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    _, probabilities = expected(out, small[None])
    np.testing.assert_allclose(frame["p_high"][1], probabilities[0, 0], atol=1e-6)


def test_sounds_are_brought_to_rate_length_and_channels(goodfit: Cli, trained: Any, tmp_path: Path) -> None:
    out, data = trained("sound")
    before = read(goodfit("predict", out, data))
    sound(tmp_path / "new" / "long", "low", 5, rate=16000, seconds=0.5, channels=2)
    frame = read(goodfit("predict", out, tmp_path / "new"))
    np.testing.assert_allclose(frame["p_high"], before["p_high"][[17]], atol=0.01)  # the same tone, cut and resampled


def test_two_channels(goodfit: Cli, trained: Any, tmp_path: Path) -> None:
    out, data = trained("sound", "--no-mono", channels=2)
    assert load_run(out).spec.input_shape == (2, 2000)
    assert len(read(goodfit("predict", out, data))) == 24
    result = goodfit("predict", out, sound(tmp_path / "one", "low", 0))
    assert result.code == 2
    assert "1 of 1 do not have 2 ('one.wav')" in result.err


def test_archives_of_sounds(goodfit: Cli, trained: Any, tmp_path: Path) -> None:
    """16 bits end to end mean the same as files of 16 bits; other rates are brought to that of training."""
    out, data = trained("sound")
    before = read(goodfit("predict", out, data))
    for rate in (8000, 16000):
        t = np.arange(rate // 2) / rate
        clips = [16384 * np.sin(2 * np.pi * f * t + seed) for f, seed in ((900, 2), (200, 5))]
        lengths = np.array([len(t), len(t) // 2])
        samples = np.concatenate([clips[0], clips[1][: len(t) // 2]]).astype(np.int16)
        np.savez(tmp_path / "clips.npz", samples=samples, lengths=lengths, rate=rate)
        frame = read(goodfit("predict", out, tmp_path / "clips.npz"))
        assert list(frame.columns) == ["class", "p_high", "p_low"]
        np.testing.assert_allclose(frame["p_high"], before["p_high"][[2, 17]], atol=0.01)


def test_a_network_that_learned_from_an_archive_takes_files(goodfit: Cli, tmp_path: Path) -> None:
    t = np.arange(2000) / 8000
    clips = [16384 * np.sin(2 * np.pi * f * t + seed) for seed in range(12) for f in (900, 200)]
    arrays = {"samples": np.concatenate(clips).astype(np.int16), "lengths": np.full(24, 2000)}
    np.savez(tmp_path / "clips.npz", **arrays, label=np.array(KINDS * 12))
    fit = ("fit", tmp_path / "clips.npz", "--target", "label", "--model", "mel_cnn:4", "--epochs", 1, "--force")
    out, file = tmp_path / "run", sound(tmp_path / "new", "low", 5)
    assert goodfit(*fit, "--out", out).code == 0
    result = goodfit("predict", out, file)
    assert result.code == 2
    assert (
        "the rate (samples per second) of the training sounds must be known, got rate=0; train with rate=" in result.err
    )
    assert goodfit(*fit, "--out", out, "--rate", 8000).code == 0
    frame = read(goodfit("predict", out, file))
    among = read(goodfit("predict", out, tmp_path / "clips.npz"))
    np.testing.assert_allclose(frame["p_high"], among["p_high"][[11]], atol=0.02)


@pytest.mark.parametrize("options", [("--frames", 4), ("--rate", 5, "--frames", 3), ("--rate", 10, "--seconds", 0.5)])
def test_clips_get_the_frames_of_training(goodfit: Cli, trained: Any, tmp_path: Path, options: Any) -> None:
    out, data = trained("video", *options)
    settings = {str(name)[2:]: value for name, value in zip(options[::2], options[1::2], strict=True)}
    clip(data / "low" / "long", "low", 3, 14)
    _, probabilities = expected(out, load(data, options=Clips(**settings)).x)
    frame = read(goodfit("predict", out, data))
    np.testing.assert_allclose(frame["p_high"], probabilities[:, 0], atol=1e-6)


def test_tables_and_texts_may_share_an_ending(goodfit: Cli, trained: Any, tmp_path: Path) -> None:
    out, _ = trained("text")
    table = tmp_path / "table.txt"
    table.write_text("text\tid\nshiny bright\t1\ndark dull\t2\n")
    assert len(read(goodfit("predict", out, table))) == 2
    letter = tmp_path / "letter.txt"
    letter.write_text("dark dull\n\nquiet, and nothing else\n")
    assert read(goodfit("predict", out, letter))["file"].tolist() == ["letter.txt"]


def test_files_that_do_not_fit_are_refused(goodfit: Cli, trained: Any, csv: Path, tmp_path: Path) -> None:
    out, _ = trained("image")
    tone = sound(tmp_path / "tone", "low", 0)
    table = tmp_path / "table"
    goodfit("fit", csv, "--target", "kind", "--epochs", 1, "--out", table)
    numbers = tmp_path / "numbers"
    np.savez(tmp_path / "floats.npz", x=np.random.default_rng(0).random((40, 3, 8, 10)), y=np.arange(40) % 2)
    goodfit("fit", tmp_path / "floats.npz", "--epochs", 1, "--out", numbers)
    (tmp_path / "nothing").mkdir()
    for run, source, text in (
        (out, tone, "the network was trained on images, but 'tone.wav' holds none (.bmp"),
        (out, tmp_path / "nothing", "the network was trained on images, but 'nothing' holds none"),
        (out, tmp_path / "absent.png", "predict: there is no file"),
        (table, tmp_path / "nothing", "trained on table data; give a file of this kind, got 'nothing'"),
        (
            numbers,
            image(tmp_path / "one", "low", 0),
            "files of images have 1 or 3 channels of uint8, but the network was trained on 3 channels of floats",
        ),
    ):
        result = goodfit("predict", run, source)
        assert (result.code, len(result.err.splitlines())) == (2, 1), result
        assert text in result.err
