from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from goodfit.data import Inputs
from goodfit.errors import InputError
from goodfit.ops.image_warp import warp_images
from goodfit.stages import MatrixWarp
from goodfit.techniques import Elastic, Rotation, Shift, Zoom


def test_a_quarter_turn_to_the_left(augment: Callable[..., Tensor]) -> None:
    image = torch.arange(9.0, dtype=torch.float64).reshape(1, 1, 3, 3)
    matrix = Rotation(90.0).matrix((torch.ones(1, dtype=torch.float64),), (3, 3))
    result = warp_images(image, matrix, None, "edge", 0.0, affine=True)
    np.testing.assert_allclose(result[0, 0], np.rot90(image[0, 0]), atol=1e-9)


@pytest.mark.parametrize("angle", [-33.0, 5.0, 71.0])
def test_as_scipy_rotates(angle: float, photos: Tensor) -> None:
    matrix = Rotation(90.0).matrix((torch.full((6,), angle / 90, dtype=torch.float64),), (12, 16))
    result = warp_images(photos, matrix, None, "reflect", 0.0, affine=True)
    expected = ndimage.rotate(photos.numpy(), angle, axes=(3, 2), reshape=False, order=1, mode="reflect")
    np.testing.assert_allclose(result, expected, atol=1e-9)


def test_angles_are_even_up_to_the_largest(largest: Callable[..., Tensor]) -> None:
    matrices = largest(Rotation(20.0), (9, 9))
    angles = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0]).rad2deg()
    assert 19.9 < float(angles.abs().max()) <= 20
    assert float(angles.mean()) == pytest.approx(0, abs=4 * 20 / (3 * 2000) ** 0.5)
    assert float(angles.abs().mean()) == pytest.approx(10, abs=0.6)


def test_several_are_one_resampling(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    """There and back again within one recipe gives the image itself: in two steps it would be blurred."""

    class Back(MatrixWarp):
        """The same angle, backwards."""

        def sample(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
            return ()

        def matrix(self, draw: tuple[Tensor, ...], size: tuple[int, int]) -> Tensor:
            drawing = torch.Generator().manual_seed(0)
            rotation = Rotation(40.0)
            _, *levels = rotation.draw(photos, photos, drawing)
            return rotation.matrix(tuple(-level.double() for level in levels), size)

    result = augment([Rotation(40.0), Back()], photos)
    torch.testing.assert_close(result, photos, rtol=0, atol=1e-9)
    assert not torch.allclose(augment(Rotation(40.0), photos), photos, atol=0.1)


def test_first_comes_first(augment: Callable[..., Tensor]) -> None:
    """A shift and then a zoom moves farther than a zoom and then a shift."""
    spot = torch.zeros(1, 1, 33, 33, dtype=torch.float64)
    spot[..., 16, 16] = 1.0

    def place(*techniques: MatrixWarp) -> float:
        matrix = torch.eye(3, dtype=torch.float64)
        for technique in techniques:
            matrix = matrix @ technique.matrix((torch.ones(1).double(),) * 2, (33, 33))[0]
        result = warp_images(spot, matrix[None], None, "black", 0.0, affine=True)[0, 0].sum(0)
        return float((result * torch.arange(33)).sum() / result.sum()) - 16

    assert place(Shift(0.1)) == pytest.approx(3.3, abs=1e-6)
    assert place(Shift(0.1), Zoom(1.0)) == pytest.approx(6.6, abs=0.3)
    assert place(Zoom(1.0), Shift(0.1)) == pytest.approx(3.3, abs=0.3)


def test_fills_that_differ_are_refused(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    with pytest.raises(InputError, match=r"Elastic: fill must .* got fill='edge' and fill='black' of Rotation"):
        augment([Rotation(10.0), Elastic(fill="edge")], photos)


def test_black_is_the_lowest_value_of_the_data(augment: Callable[..., Tensor]) -> None:
    white = torch.full((20, 1, 8, 8), 2.5, dtype=torch.float64)
    result = augment(Shift(0.9), white, inputs=Inputs("image", -0.5, 2.5))
    assert float(result.min()) == -0.5
    assert float(result.max()) == pytest.approx(2.5)
    assert float(augment(Shift(0.9, fill="grey"), white, inputs=Inputs("image", -0.5, 2.5)).min()) == 0.0
    assert torch.allclose(augment(Shift(0.9, fill="edge"), white), white)


def test_samples_that_stay_keep_their_bits(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    many = photos.repeat(100, 1, 1, 1).float()
    result = augment(Rotation(30.0, p=0.4), many)
    same = (result == many).flatten(1).all(1)
    assert float(same.double().mean()) == pytest.approx(0.6, abs=4 * (0.24 / 600) ** 0.5)
    assert torch.equal(augment([Rotation(0.0), Zoom(0.0), Elastic(0.0)], many), many)
