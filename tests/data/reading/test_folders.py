"""Folders of image files: what comes out, and what is sentences where something is wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.data import Images, load
from goodfit.errors import InputError

Put = Callable[..., Path]
COLOURS = {"cats": (200, 30, 30), "dogs": (20, 20, 220)}


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes an image into a class's folder."""

    def write(
        name: str, size: tuple[int, int] = (8, 6), mode: str = "RGB", root: str = "pets", **options: object
    ) -> Path:
        path = tmp_path / root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = COLOURS.get(path.parent.name, (90, 90, 90))
        Image.new("RGB", size, colour).convert(mode).save(path, **options)
        return path

    return write


@pytest.fixture
def pets(put: Put, tmp_path: Path) -> Path:
    """Twelve images each of two classes."""
    for number in range(12):
        for kind in COLOURS:
            put(f"{kind}/{number:02}.png")
    return tmp_path / "pets"


def test_a_folder_per_class(pets: Path) -> None:
    (pets / "cats" / ".DS_Store").write_bytes(b"x")
    (pets / "__MACOSX").mkdir()
    data = load(pets)
    assert (data.name, data.kind, data.classes, data.target) == ("pets", "image", ("cats", "dogs"), "class")
    assert data.x.shape == (24, 3, 6, 8)
    assert data.x.dtype == np.uint8
    for kind, colour in enumerate(COLOURS.values()):
        assert np.array_equal(data.x[data.y == kind][3][:, 2, 2], colour)
    assert data.split().spec.inputs.kind == "image"


def test_grey_images_have_one_channel_and_one_coloured_one_makes_three(pets: Path, put: Put, tmp_path: Path) -> None:
    for number in range(6):
        for kind in COLOURS:
            put(f"{kind}/{number}.png", mode="L", root="grey")
    assert load(tmp_path / "grey").x.shape == (12, 1, 6, 8)
    put("cats/7.png", root="grey")
    assert load(tmp_path / "grey").x.shape == (13, 3, 6, 8)


def test_transparency_is_white_and_palettes_are_colours(put: Put, tmp_path: Path) -> None:
    for number in range(6):
        put(f"dogs/{number}.png", mode="P")
        path = put(f"cats/{number}.png")
        Image.new("RGBA", (8, 6), (10, 10, 10, 0)).save(path)
    data = load(tmp_path / "pets")
    assert np.array_equal(data.x[data.y == 0][0][:, 0, 0], (255, 255, 255))
    assert np.array_equal(data.x[data.y == 1][0][:, 0, 0], (0, 0, 204))  # the nearest colour of the palette


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    for kind, value in (("dark", 257), ("light", 65535)):
        (tmp_path / "deep" / kind).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / "deep" / kind / f"{number}.png")
    data = load(tmp_path / "deep")
    assert [int(data.x[data.y == kind].max()) for kind in (0, 1)] == [1, 255]


def test_a_camera_that_was_held_upright(put: Put, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for number in range(6):
        put(f"cats/{number}.jpg", (8, 6), exif=turned)
        put(f"dogs/{number}.jpg", (6, 8))
    assert load(tmp_path / "pets").x.shape == (12, 3, 8, 6)


def test_sizes_that_differ(pets: Path, put: Put) -> None:
    put("dogs/wide.png", (20, 6))
    with pytest.raises(InputError) as raised:
        load(pets)
    assert str(raised.value) == (
        "load: images must have one size; most are 6 × 8 (height × width), 1 are not ('dogs/wide.png'); give size=6 to "
        "bring all to one."
    )
    assert load(pets, options=Images(size=5)).x.shape == (25, 3, 5, 5)
    assert load(pets, options=Images(size=(4, 10))).x.shape == (25, 3, 4, 10)
    with pytest.raises(
        InputError, match=r"Images: size must be a whole number in \[1, inf\), two of these numbers, or None"
    ):
        load(pets, options=Images(size=0))


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n0000"])
def test_damaged_files_are_named(pets: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (pets / "dogs" / "bad.png").write_bytes(content)
    with pytest.raises(InputError) as raised:
        load(pets)
    assert "1 of 25 files cannot be read: 'dogs/bad.png'" in str(raised.value)
    assert "leave them out with damaged='skip'" in str(raised.value)
    with caplog.at_level(logging.WARNING, "goodfit"):
        assert len(load(pets, options=Images(damaged="skip"))) == 24
    assert "dogs/bad.png" in caplog.text


def test_a_truncated_file_is_damaged(pets: Path) -> None:
    path = pets / "dogs" / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(InputError, match=r"1 of 25 files cannot be read: 'dogs/cut.png'"):
        load(pets)
    data = load(pets, options=Images(damaged="skip"))
    assert len(data) == len(data.x) == 24


def test_a_file_with_the_wrong_ending_is_read_by_its_content(pets: Path, put: Put) -> None:
    put("dogs/jpeg.jpg").rename(pets / "dogs" / "jpeg.png")
    assert len(load(pets)) == 25


def test_an_official_test_part(pets: Path, put: Put, tmp_path: Path) -> None:
    for number in range(4):
        for kind in COLOURS:
            put(f"{kind}/{number}.png", root="parted/test")
    pets.rename(tmp_path / "parted" / "train")
    split = load(tmp_path / "parted").split()
    assert len(split.test) == 8
    assert len(split.train) + len(split.stop) + len(split.validation) == 24


def test_folders_without_classes(tmp_path: Path, put: Put, pets: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="load: 'nothing' holds no images"):
        load(tmp_path / "nothing")
    put("loose.png", root="flat")
    with pytest.raises(
        InputError, match="load: 'flat' holds 1 images outside of folders; put those of each class into"
    ):
        load(tmp_path / "flat")
    (pets / "birds").mkdir()
    assert load(pets).classes == ("cats", "dogs")  # an empty folder is no class
    for file in (pets / "dogs").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="cats"):
        load(pets)
    with pytest.raises(InputError, match="Images: damaged must be one of 'refuse', 'skip', got damaged='ignore'"):
        load(pets, options=Images(damaged="ignore"))
