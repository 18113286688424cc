"""Clips as files, in a folder per class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

Frames = npt.NDArray[np.uint8]
Put = Callable[..., Path]


def write(path: Path, frames: Frames, rate: int = 10, codec: str = "ffv1", form: str = "bgr0") -> Path:
    """Write frames (frame, height, width) or (…, 3) to a file; ffv1 stores them without loss."""
    import av  # the other tests in this folder do without it

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = form
        for values in frames:
            frame = av.VideoFrame.from_ndarray(values, format="gray" if values.ndim == 2 else "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_noise(count: int, seed: int = 0, shape: tuple[int, ...] = (12, 16, 3)) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


@pytest.fixture
def write_clip() -> Callable[..., Path]:
    """The function that writes frames (frame, height, width) or (…, 3) to a file."""
    return write


@pytest.fixture
def noise() -> Callable[..., Frames]:
    """The function that makes frames of noise from a seed."""
    return make_noise


@pytest.fixture
def put_clip(tmp_path: Path) -> Put:
    """The function that writes a clip into the folder of a class; its frames are noise, seeded by its name."""

    def make(name: str, count: int = 6, root: str = "acts", **how: Any) -> Path:
        shape = how.pop("shape", (12, 16, 3))
        return write(tmp_path / root / name, make_noise(count, sum(name.encode()), shape), **how)

    return make


@pytest.fixture
def acts(put_clip: Put, tmp_path: Path) -> Path:
    """Six clips each of two classes, six frames each, ten per second."""
    for number in range(6):
        for kind in ("run", "walk"):
            put_clip(f"{kind}/{number}.mkv")
    return tmp_path / "acts"


@pytest.fixture
def gifs(tmp_path: Path) -> Path:
    """Gif files of four frames in four colours."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    for number in range(6):
        for kind in ("run", "walk"):
            first, *others = (Image.new("RGB", (8, 6), colour) for colour in colours)
            path = tmp_path / "gifs" / kind / f"{number}.gif"
            path.parent.mkdir(parents=True, exist_ok=True)
            first.save(path, save_all=True, append_images=others, duration=100)
    return tmp_path / "gifs"
