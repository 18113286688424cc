"""Sounds, masks and clips in the cache of decoded files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.data import Clips, load
from goodfit.data.reading import images, sounds
from goodfit.data.storage import is_mapped

Counted = list[Path]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The files that are decoded or inspected."""
    opened_files: Counted = []

    def counting(call: Callable[..., object]) -> Callable[..., object]:
        return lambda file, *form: (opened_files.append(file), call(file, *form))[1]

    for module in (images, sounds):
        for name in ("decode", "inspect"):
            monkeypatch.setattr(module, name, counting(getattr(module, name)))
    return opened_files


def test_sounds_are_cached_with_their_warnings(
    tmp_path: Path, opened: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    soundfile = pytest.importorskip("soundfile")
    rng = np.random.default_rng(0)
    for kind in ("no", "yes"):
        (tmp_path / "words" / kind).mkdir(parents=True)
        for number in range(6):
            clip = rng.uniform(-0.5, 0.5, 900 + 20 * number) * (number > 0)
            soundfile.write(tmp_path / "words" / kind / f"{number}.wav", clip, 4000)
    plain = load(tmp_path / "words")
    messages = caplog.messages
    assert any("silent" in text for text in messages)
    for _ in range(2):
        opened.clear()
        caplog.clear()
        data = load(tmp_path / "words", cache=tmp_path / "cache")
        assert is_mapped(data.x)
        assert np.array_equal(data.x, plain.x)
        assert (data.rate, data.kind) == (4000, "sound")
        assert caplog.messages == messages
    assert not opened


def test_masks_are_cached_with_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from goodfit.data.reading import masks

    rng = np.random.default_rng(0)
    for number in range(12):
        for folder, values in (("images", rng.integers(0, 256, (6, 8), np.uint8)), ("masks", np.eye(6, 8) * 255)):
            path = tmp_path / "cells" / folder / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(path)
    plain = load(tmp_path / "cells")
    load(tmp_path / "cells", cache=tmp_path / "cache")
    monkeypatch.setattr(masks, "decode", None)
    data = load(tmp_path / "cells", cache=tmp_path / "cache")
    assert is_mapped(data.x)
    assert np.array_equal(data.x, plain.x)
    assert np.array_equal(data.y, plain.y)


def test_clips_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    from goodfit.data.reading import videos

    rng = np.random.default_rng(0)
    for kind in ("run", "walk"):
        (tmp_path / "acts" / kind).mkdir(parents=True)
        for number in range(4):
            first, *others = (Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(5))
            first.save(tmp_path / "acts" / kind / f"{number}.gif", save_all=True, append_images=others, duration=100)
    plain = load(tmp_path / "acts", options=Clips())
    load(tmp_path / "acts", options=Clips(), cache=tmp_path / "cache")
    monkeypatch.setattr(videos, "decode", None)
    monkeypatch.setattr(videos, "inspect", None)
    data = load(tmp_path / "acts", options=Clips(), cache=tmp_path / "cache")
    assert is_mapped(data.x)
    assert np.array_equal(data.x, plain.x)
    assert (data.kind, data.rate) == ("video", plain.rate)
