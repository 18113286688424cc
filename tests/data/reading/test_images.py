from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.data.reading.images import ImageFormat, common_form, decode, encode, inspect, tile
from goodfit.errors import InputError


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 7)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode(pixels))
    assert inspect(tmp_path / "a.png") == ((5, 7), False)
    assert np.array_equal(decode(tmp_path / "a.png", ImageFormat((5, 7), 3)), pixels)


def test_images_cover_the_size_and_are_cropped_evenly(tmp_path: Path) -> None:
    Image.fromarray(np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[None], 4, 0)).save(tmp_path / "wide.png")
    assert decode(tmp_path / "wide.png", ImageFormat((4, 4), 1))[0, 0].tolist() == [80, 100, 120, 140]


def test_one_form_for_all() -> None:
    names = str
    assert common_form([((4, 6), True), ((4, 6), True)], None, names) == ImageFormat((4, 6), 1)
    assert common_form([((4, 6), True), ((9, 9), False)], 5, names) == ImageFormat((5, 5), 3)
    assert common_form([((4, 6), True)], (2, 3), names) == ImageFormat((2, 3), 1)
    with pytest.raises(InputError, match="load: none of the images can be read; repair or replace them"):
        common_form([], None, names)
    with pytest.raises(InputError, match=r"images must have one size; most are 4 × 6 .* give size=4"):
        common_form([((4, 6), True), ((4, 6), True), ((5, 5), True)], None, names)


def test_a_sheet_of_images() -> None:
    sheet = tile([[np.zeros((1, 2, 2), np.uint8)] * 3], least=2, gap=1)
    assert sheet.shape == (1, 4, 12)
    assert sheet[0, 1:3].tolist() == [[255, 0, 0, 255, 255, 255, 0, 0, 255, 0, 0, 255]] * 2  # a wider gap at first
