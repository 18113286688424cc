"""Bounding boxes, warped together with their images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ITERATIONS = 8
"""Fixed-point iterations that invert the displacement field. The fields of augmentations are smooth enough for it."""
POINTS = 9
"""Points on each side of a box that follow a displacement field."""


def warp_boxes(boxes: Tensor, matrix: Tensor, field: Tensor | None, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The axis-aligned boxes around the warped contents of these boxes, and the visible fraction of each.

    Args:
        boxes: (batch, boxes, 4): left, top, right, bottom in pixels from the upper left corner.
        matrix: (batch, 3, 3), as `goodfit.ops.image_warp.warp_images` takes it.
        field: (batch, 2, height, width), as `warp_images` takes it, or None.
        size: (height, width) of the images.

    Returns:
        The new boxes (batch, boxes, 4), cut off at the border, and the fraction (batch, boxes) of each box's area
        that was not cut off.

    >>> mirrored = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))[None]
    >>> warp_boxes(torch.tensor([[[0.0, 0.0, 2.0, 3.0]]]), mirrored, None, (8, 8))
    (tensor([[[6., 0., 8., 3.]]]), tensor([[1.]]))
    """
    height, width = size
    middle = torch.tensor([width / 2, height / 2], dtype=matrix.dtype, device=matrix.device)
    outline = _outline(boxes.to(matrix), 2 if field is None else POINTS) - middle  # (batch, boxes, point, 2)
    homogeneous = F.pad(outline, (0, 1), value=1.0).flatten(1, 2) @ torch.linalg.inv(matrix).mT
    target = homogeneous[..., :2] / homogeneous[..., 2:]
    position = target
    for _ in range(ITERATIONS if field is not None else 0):
        position = target - _field_at(field, position, size)
    corners = (position + middle).reshape(outline.shape)
    least, most = corners.amin(2), corners.amax(2)
    ends = 2 * middle
    low, high = least.clamp_min(0).minimum(ends), most.clamp_min(0).minimum(ends)
    whole, visible = (most - least).prod(-1), (high - low).prod(-1)
    return torch.cat([low, high], -1).to(boxes), torch.where(whole > 0, visible / whole, 0.0)


def _outline(boxes: Tensor, points: int) -> Tensor:
    """Points on the sides of boxes (batch, boxes, 4): (batch, boxes, point, 2)."""
    left, top, right, bottom = boxes.unbind(-1)
    along = torch.linspace(0, 1, points, dtype=boxes.dtype, device=boxes.device)
    across = left[..., None] + (right - left)[..., None] * along
    down = top[..., None] + (bottom - top)[..., None] * along
    sides = [(across, top[..., None].expand_as(across)), (across, bottom[..., None].expand_as(across)),
             (left[..., None].expand_as(down), down), (right[..., None].expand_as(down), down)]  # fmt: skip
    return torch.cat([torch.stack(side, -1) for side in sides], -2)


def _field_at(field: Tensor | None, positions: Tensor, size: tuple[int, int]) -> Tensor:
    """A field's values at positions (batch, point, 2) from the middle; beyond the border those of the edge."""
    assert field is not None
    height, width = size
    half = torch.tensor([2 / width, 2 / height], dtype=positions.dtype, device=positions.device)
    grid = (positions * half)[:, None]
    return F.grid_sample(field.to(positions), grid, "bilinear", "border", align_corners=False)[:, :, 0].mT
