"""Warped images compared with scipy.ndimage and with plain copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from goodfit.ops.image_warp import FILL_MODES, homogeneous_matrices, warp_images

MODES = {
    "black": "grid-constant",
    "grey": "grid-constant",
    "edge": "nearest",
    "reflect": "reflect",
    "wrap": "grid-wrap",
}
"""Fill mode → mode of scipy.ndimage."""
BLACK = -0.75


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_scipy(image: np.ndarray, matrix: np.ndarray, field: np.ndarray, fill: str) -> np.ndarray:
    """One channel (height, width), with each pixel taken from matrix · (pixel + field)."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(float)
    x, y = x - (width - 1) / 2 + field[0], y - (height - 1) / 2 + field[1]
    a, b, c = (row[0] * x + row[1] * y + row[2] for row in matrix)
    at = [b / c + (height - 1) / 2, a / c + (width - 1) / 2]
    return ndimage.map_coordinates(image, at, order=1, mode=MODES[fill], cval=BLACK if fill == "black" else 0.0)


@pytest.mark.parametrize("fill", FILL_MODES)
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("size", [(9, 9), (6, 11)])
def test_equals_scipy(fill: str, flat: bool, size: tuple[int, int]) -> None:
    images, moved = uniform(5, 2, *size), uniform(5, 3, 3, seed=1) - 0.5
    matrix = torch.eye(3, dtype=torch.float64) + moved * torch.tensor([[0.8, 0.8, 9], [0.8, 0.8, 9], [0.05, 0.05, 0]])
    if flat:
        matrix[:, 2] = torch.tensor([0.0, 0.0, 1.0])
    field = 4 * (uniform(5, 2, *size, seed=2) - 0.5)
    for bent in (None, field):
        result = warp_images(images, matrix, bent, fill, BLACK, affine=flat)
        shifts = torch.zeros_like(field) if bent is None else bent
        for row in range(5):
            for channel in range(2):
                expected = by_scipy(images[row, channel].numpy(), matrix[row].numpy(), shifts[row].numpy(), fill)
                np.testing.assert_allclose(result[row, channel].numpy(), expected, rtol=0, atol=1e-9)


def test_frames_of_a_clip_move_together() -> None:
    clips, matrix = uniform(2, 3, 4, 6, 6), torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    matrix[:, 0, 2] = torch.tensor([0.4, -1.3])
    result = warp_images(clips, matrix, None, "edge", 0.0, affine=True)
    for frame in range(4):
        alone = warp_images(clips[:, :, frame], matrix, None, "edge", 0.0, affine=True)
        torch.testing.assert_close(result[:, :, frame], alone, rtol=0, atol=1e-12)


def test_masks_keep_their_values() -> None:
    masks, matrix = (uniform(3, 1, 8, 8) * 5).floor(), torch.eye(3, dtype=torch.float64).repeat(3, 1, 1)
    matrix[:, 0, 1] = 0.3
    result = warp_images(masks, matrix, None, "edge", 0.0, affine=True, nearest=True)
    assert set(result.unique().tolist()) <= set(masks.unique().tolist())
    assert not torch.equal(result, masks)


def test_dtype_and_shape_are_kept() -> None:
    for dtype in (torch.float32, torch.float64):
        images = uniform(2, 3, 5, 4).to(dtype)
        result = warp_images(images, torch.eye(3, dtype=dtype).repeat(2, 1, 1), None, "black", 0.0, affine=True)
        assert (result.dtype, result.shape) == (dtype, images.shape)


def test_matrices_take_numbers_and_tensors() -> None:
    u = torch.tensor([1.0, 2.0])
    assert homogeneous_matrices([[u, 0, 1], [0, u, 2.5], [0, 0, 3]], u)[1].tolist() == [
        [2, 0, 1],
        [0, 2, 2.5],
        [0, 0, 3],
    ]
