"""ZCA whitening: learned from the training rows, which become uncorrelated, and saved with the run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from goodfit.data import Images, Preprocessing, Series, load
from goodfit.data.whitening import Whitening
from goodfit.errors import InputError

RNG = np.random.default_rng(0)
SMOOTH = RNG.normal(size=(3000, 36)).cumsum(1).astype(np.float32)  # neighbours are alike


def test_whitened_training_rows_are_uncorrelated() -> None:
    whitened = Whitening.fit(SMOOTH, 1e-8).apply(SMOOTH)
    np.testing.assert_allclose(whitened.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(36), atol=2e-2)


def test_the_matrix_is_the_symmetric_root_of_the_inverse_covariance() -> None:
    epsilon = 0.1
    fitted = Whitening.fit(SMOOTH, epsilon)
    matrix = np.frombuffer(fitted.matrix, np.float32).reshape(36, 36).astype(float)
    covariance = np.cov(SMOOTH.astype(float).T, bias=True) + epsilon * np.eye(36)
    np.testing.assert_allclose(matrix @ covariance @ matrix, np.eye(36), atol=1e-3)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)


def test_the_means_of_the_values_do_not_matter() -> None:
    moved = (SMOOTH + np.arange(36)).astype(np.float32)
    expected = Whitening.fit(SMOOTH, 0.1).apply(SMOOTH)
    np.testing.assert_allclose(Whitening.fit(moved, 0.1).apply(moved), expected, atol=1e-2)


def test_images_keep_their_shape_and_only_training_rows_count() -> None:
    shades = RNG.integers(0, 256, (80, 6, 6)).astype(np.uint8)
    y = np.arange(80) % 2
    split = load((shades, y), options=Images(whiten=0.01)).split()
    other = shades.copy()
    other[split.test.rows] = 255 - other[split.test.rows]
    reloaded = load((other, y), options=Images(whiten=0.01)).split()
    assert split.train.x.shape == (48, 1, 6, 6)
    assert np.array_equal(split.train.x, reloaded.train.x)
    assert not np.array_equal(split.test.x, reloaded.test.x)
    plain = load((shades, y)).split()
    assert not np.allclose(split.train.x, plain.train.x)
    assert split.spec.inputs.low == pytest.approx(float(split.train.x.min()), abs=1e-4)


def test_to_dict_and_from_dict_are_bit_exact() -> None:
    shades = RNG.integers(0, 256, (80, 6, 6)).astype(np.uint8)
    learned = load((shades, np.arange(80) % 2), options=Images(whiten=0.01)).split().preprocessing
    assert learned is not None
    stored = Preprocessing.from_dict(json.loads(json.dumps(learned.to_dict())))
    assert stored == learned
    assert np.array_equal(stored.transform(shades), learned.transform(shades))


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        (
            (40, 1, 65, 65),
            {"whiten": 0.01},
            "load: whiten needs samples of at most 4,096 values, got 4,225; load smaller ones",
        ),
        ((40, 1, 4, 4), {"whiten": 0.0}, "Images: whiten must be in (0, inf) or None, got whiten=0.0"),
        ((40, 4), {"whiten": 0.01}, "load: image data has the shape (rows, channels, height, width), got (40, 4)"),
    ],
)
def test_invalid_whitening(shape: tuple[int, ...], options: dict[str, float], message: str) -> None:
    data = (RNG.random(shape, np.float32), np.arange(40) % 2)
    with pytest.raises(InputError) as raised:
        load(data, options=Images(**options)).split()  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_tables_cannot_be_whitened() -> None:
    with pytest.raises(InputError, match="load: this is table data; whiten is for series and images; leave it out"):
        load((RNG.random((40, 4)), np.arange(40) % 2), options=[Series(whiten=0.01), Images(whiten=0.01)])
    with pytest.raises(InputError, match=r"load: whiten must be above 0, for example 0\.01, got whiten=0\.0"):
        Whitening.fit(RNG.random((40, 4)).astype(np.float32), 0.0)
