import math

import numpy as np
import pytest
import torch

from goodfit.ops.boxes import warp_boxes
from goodfit.ops.image_warp import warp_images


def rotation(degrees: float) -> torch.Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)[None]


def filled(box: list[int], size: tuple[int, int]) -> torch.Tensor:
    image = torch.zeros(1, 1, *size, dtype=torch.float64)
    image[..., box[1] : box[3], box[0] : box[2]] = 1
    return image


def measured_box(image: torch.Tensor) -> list[float]:
    """The axis-aligned box around the pixels brighter than 0.5."""
    rows, columns = np.nonzero(image[0, 0].numpy() > 0.5)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


MATRICES = {
    "mirrored": torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))[None],
    "shifted": torch.tensor([[[1.0, 0.0, 5.0], [0.0, 1.0, -7.0], [0.0, 0.0, 1.0]]], dtype=torch.float64),
    "a quarter turn": rotation(90),
    "turned": rotation(30),
    "larger": torch.diag(torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64))[None],
    "perspective": torch.tensor([[[1.0, 0.1, 0.0], [0.0, 1.0, 2.0], [0.004, 0.002, 1.0]]], dtype=torch.float64),
}


@pytest.mark.parametrize("name", MATRICES)
def test_boxes_match_the_warped_pixels(name):
    """A white rectangle is warped; the box around its pixels is measured."""
    box, size, matrix = [22, 26, 40, 34], (64, 60), MATRICES[name]
    image = warp_images(filled(box, size), matrix, None, "black", 0.0, affine=name != "perspective")
    boxes, left = warp_boxes(torch.tensor([[box]], dtype=torch.float64), matrix, None, size)
    assert boxes[0, 0].tolist() == pytest.approx(measured_box(image), abs=1.0)
    assert float(left) == pytest.approx(1.0)


def test_boxes_follow_a_field():
    box, size = [20, 24, 44, 40], (64, 64)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    field = torch.stack([4 * torch.sin(y / 9), 3 * torch.cos(x / 11)])[None].double()
    image = warp_images(filled(box, size), rotation(10), field, "black", 0.0, affine=True)
    boxes, _ = warp_boxes(torch.tensor([[box]], dtype=torch.float64), rotation(10), field, size)
    still, _ = warp_boxes(torch.tensor([[box]], dtype=torch.float64), rotation(10), None, size)
    assert boxes[0, 0].tolist() == pytest.approx(measured_box(image), abs=1.0)
    assert max(abs(boxes[0, 0] - still[0, 0])) > 2


def test_boxes_are_clipped_and_the_visible_share_is_returned():
    shift = torch.eye(3)[None].clone()
    shift[0, 0, 2] = 6.0  # pixels come from 6 to the right: things move to the left
    boxes, left = warp_boxes(torch.tensor([[[0.0, 0.0, 8.0, 4.0], [0.0, 2.0, 5.0, 4.0], [9.0, 9.0, 9.0, 9.0]]]),
                              shift, None, (16, 16))  # fmt: skip
    assert boxes[0].tolist() == [[0.0, 0.0, 2.0, 4.0], [0.0, 2.0, 0.0, 4.0], [3.0, 9.0, 3.0, 9.0]]
    assert left[0].tolist() == [0.25, 0.0, 0.0]


def test_one_matrix_per_image_and_dtype_is_kept():
    matrices = torch.cat([MATRICES["mirrored"], torch.eye(3, dtype=torch.float64)[None]]).float()
    boxes, _ = warp_boxes(torch.tensor([[[1, 1, 3, 5]], [[1, 1, 3, 5]]]), matrices, None, (10, 10))
    assert boxes.tolist() == [[[7, 1, 9, 5]], [[1, 1, 3, 5]]]
    assert boxes.dtype == torch.int64
