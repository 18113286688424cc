import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from goodfit.data.arrays import ArrayFeatures, as_array, as_features
from goodfit.data.storage import row_slices
from goodfit.errors import InputError


def test_tensors_and_lists_become_arrays() -> None:
    weight = torch.ones(2, 3, requires_grad=True)
    assert as_array(weight, "x").shape == (2, 3)
    assert as_array(torch.ones(2, dtype=torch.bfloat16), "x").dtype == np.float32
    assert as_features([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert as_features(np.array([[True], [False]])).dtype == np.float32


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1.0, 2.0], [3.0]], "different lengths"),
        (np.array([["a"], ["b"]]), "numbers are needed"),
        (np.array([[1], [None]], object), "object values"),
        (np.zeros((2, 2), complex), "complex"),
        (np.zeros(3), "reshape"),
        (np.zeros((0, 3)), "empty"),
    ],
)
def test_arrays_without_numbers_are_refused(x: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_features(x)


def test_sparse_matrices_are_refused() -> None:
    from scipy.sparse import csr_matrix

    with pytest.raises(InputError, match=r"load: x is a sparse matrix; convert it with \.toarray\(\)"):
        as_features(csr_matrix(np.eye(3)))


def test_the_first_invalid_number_is_reported() -> None:
    x = np.zeros((10, 4))
    x[7, 2] = x[8, 0] = np.nan
    with pytest.raises(InputError, match=r"NaN in row 7, column 2 .*2 such values"):
        as_features(x)
    images = np.zeros((3, 4, 4), np.float32)
    images[1, 2, 3] = -np.inf
    with pytest.raises(InputError, match=r"infinite value in row 1, column \(2, 3\) .*; repair or drop these rows"):
        as_features(images)


def test_flat_arrays_equal_standard_scaler() -> None:
    x = np.random.default_rng(0).normal(5, 3, (5000, 3))
    x[:, 1] = 4.0
    learned = ArrayFeatures.fit(x)
    assert np.array_equal(learned.transform(x), StandardScaler().fit_transform(x).astype(np.float32))
    assert learned.feature_names == ("x0", "x1", "x2")
    assert np.abs(learned.transform(x)[:, 1]).max() == 0


def test_pixels_have_mean_0_and_deviation_1() -> None:
    x = np.random.default_rng(0).integers(0, 256, (5000, 4, 4), np.uint8)
    learned = ArrayFeatures.fit(x)
    out = learned.transform(x)
    assert out.dtype == np.float32
    assert abs(float(out.mean())) < 1e-5
    assert abs(float(out.std()) - 1) < 1e-5
    assert np.isclose(learned.mean[0], (x / 255).mean())
    assert np.isclose(learned.scale[0], (x / 255).std())
    assert np.array_equal(out, ((x / 255 - learned.mean[0]) / learned.scale[0]).astype(np.float32))


def test_sounds_keep_their_shape_and_may_be_silent() -> None:
    x = np.random.default_rng(0).normal(2, 3, (50, 1, 20)).astype(np.float32)
    out = ArrayFeatures.fit(x).transform(x)
    assert out.shape == (50, 1, 20)
    assert abs(float(out.mean())) < 1e-5
    assert abs(float(out.std()) - 1) < 1e-5
    assert ArrayFeatures.fit(np.zeros((3, 2, 2))).transform(np.zeros((3, 2, 2))).max() == 0


def test_transform_refuses_other_shapes_and_units() -> None:
    pixels = ArrayFeatures.fit(np.zeros((5, 2, 2), np.uint8))
    with pytest.raises(InputError, match=r"\(3,\)"):
        pixels.transform(np.zeros((5, 3), np.uint8))
    with pytest.raises(InputError, match="uint8 values"):
        pixels.transform(np.zeros((5, 2, 2)))
    floats = ArrayFeatures.fit(np.zeros((5, 2, 2)))
    with pytest.raises(InputError, match="not uint8"):
        floats.transform(np.zeros((5, 2, 2), np.uint8))


def test_row_slices_cover_all_rows_once() -> None:
    rows = np.arange(10_000)
    assert np.array_equal(np.concatenate([rows[c] for c in row_slices(len(rows))]), rows)
