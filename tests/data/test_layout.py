from __future__ import annotations

import numpy as np
import pytest
import torch

from goodfit.data import Inputs, from_tensors, load
from goodfit.data.layout import arrange
from goodfit.errors import InputError

BYTES, FLOATS = np.uint8, np.float32


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "expected", "expected_kind"),
    [
        ((9, 28, 28), BYTES, None, (9, 1, 28, 28), "image"),
        ((9, 28, 28), FLOATS, None, (9, 28, 28), "series"),
        ((9, 28, 28), FLOATS, "image", (9, 1, 28, 28), "image"),
        ((9, 32, 24, 3), BYTES, None, (9, 3, 32, 24), "image"),
        ((9, 3, 32, 24), FLOATS, None, (9, 3, 32, 24), "image"),
        ((9, 3, 32, 3), BYTES, None, (9, 3, 32, 3), "image"),
        ((9, 16, 8, 8), FLOATS, None, (9, 16, 8, 8), "image"),
        ((9, 5, 8, 8, 3), BYTES, None, (9, 3, 5, 8, 8), "video"),
        ((9, 5, 8, 8), BYTES, "video", (9, 1, 5, 8, 8), "video"),
        ((9, 100), FLOATS, "sound", (9, 1, 100), "sound"),
        ((9, 2, 100), FLOATS, "sound", (9, 2, 100), "sound"),
        ((9, 100), FLOATS, None, (9, 100), "table"),
        ((9, 64), BYTES, None, (9, 64), "table"),
    ],
)
def test_channels_come_to_the_front(
    shape: tuple[int, ...], dtype: type, kind: str | None, expected: tuple[int, ...], expected_kind: str
) -> None:
    x, what = arrange(np.zeros(shape, dtype), kind)
    assert (x.shape, what) == (expected, expected_kind)


def test_each_pixel_keeps_its_place() -> None:
    x = np.arange(2 * 5 * 6 * 3).reshape(2, 5, 6, 3).astype(np.uint8)
    assert np.array_equal(arrange(x)[0][1, 2, 3, 1], x[1, 3, 1, 2])
    assert arrange(x)[0].flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ((9, 4), "image", r"load: image data has the shape \(rows, channels, height, width\), got \(9, 4\)"),
        ((9, 4), "imgae", "load: kind must be one of .* got 'imgae'. Did you mean 'image'"),
        ((9, 4, 4, 4, 4), "sound", r"sound data has the shape \(rows, channels, time\)"),
    ],
)
def test_shapes_that_a_kind_cannot_have(shape: tuple[int, ...], kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arrange(np.zeros(shape, FLOATS), kind)


def test_a_split_knows_black_and_white() -> None:
    rng, y = np.random.default_rng(0), np.arange(60) % 2
    pixels = rng.integers(10, 200, size=(60, 6, 6)).astype(np.uint8)
    split = load((pixels, y)).split()
    black, white = (split.preprocessing.transform(np.full((1, 6, 6), v, np.uint8)) for v in (0, 255))  # type: ignore[union-attr]
    assert split.spec.inputs.kind == "image"
    assert split.spec.input_shape == (1, 6, 6)
    assert split.spec.inputs.low == pytest.approx(float(black.max()), abs=1e-5)
    assert split.spec.inputs.high == pytest.approx(float(white.min()), abs=1e-5)
    series = load((rng.normal(size=(60, 2, 30)), y)).split()
    assert series.spec.inputs.kind == "series"
    assert series.spec.inputs.low == pytest.approx(float(series.train.x.min()), abs=1e-4)
    assert load((rng.normal(size=(60, 4)), y)).split().spec.inputs == Inputs()
    assert type(split.spec).from_dict(split.spec.to_dict()) == split.spec


def test_rows_to_predict_may_come_in_the_layout_of_the_file() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, size=(60, 6, 5, 3)).astype(np.uint8)
    learned = load((pixels, np.arange(60) % 2)).split().preprocessing
    assert learned is not None
    assert learned.transform(pixels).shape == (60, 3, 6, 5)
    assert np.array_equal(learned.transform(pixels), learned.transform(pixels.transpose(0, 3, 1, 2)))
    with pytest.raises(InputError, match=r"transform: rows have shape \(3, 5, 5\)"):
        learned.transform(pixels[:, :5])


def test_tensors() -> None:
    images, y = torch.linspace(-1, 2, 6 * 16).reshape(6, 1, 4, 4), torch.arange(6) % 2
    assert from_tensors((images, y), (images, y)).spec.inputs == Inputs("image", -1.0, 2.0)
    assert from_tensors((images[:, 0], y), (images[:, 0], y), kind="sound").spec.inputs.kind == "sound"
