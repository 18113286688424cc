"""Boxes around things in images, moved as the images are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TURNS = 8
"""How often a place is corrected by the field found there: the fields of augmentation are flat enough for that."""
POINTS = 9
"""Points on each side of a box that follow a field, which bends it."""


def moved_boxes(boxes: Tensor, matrix: Tensor, field: Tensor | None, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The upright boxes around what was in these boxes, and how much of each is still in the image.

    Shape: boxes (batch, boxes, 4): left, top, right, bottom in pixels from the upper left corner; matrix (batch, 3, 3)
    and field (batch, 2, height, width) as `goodfit.stages.warp.resample` takes them; size (height, width) → boxes of
    the same shape, cut off at the border, and the shares (batch, boxes) of their areas that were not cut off.

    >>> mirrored = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))[None]
    >>> moved_boxes(torch.tensor([[[0.0, 0.0, 2.0, 3.0]]]), mirrored, None, (8, 8))
    (tensor([[[6., 0., 8., 3.]]]), tensor([[1.]]))
    """
    height, width = size
    middle = torch.tensor([width / 2, height / 2], dtype=matrix.dtype, device=matrix.device)
    outline = _outline(boxes.to(matrix), 2 if field is None else POINTS) - middle  # (batch, boxes, point, 2)
    flat = F.pad(outline, (0, 1), value=1.0).flatten(1, 2) @ torch.linalg.inv(matrix).mT
    wanted = flat[..., :2] / flat[..., 2:]
    found = wanted
    for _ in range(TURNS if field is not None else 0):
        found = wanted - _at(field, found, size)
    corners = (found + middle).reshape(outline.shape)
    least, most = corners.amin(2), corners.amax(2)
    ends = 2 * middle
    low, high = least.clamp_min(0).minimum(ends), most.clamp_min(0).minimum(ends)
    whole, left = (most - least).prod(-1), (high - low).prod(-1)
    return torch.cat([low, high], -1).to(boxes), torch.where(whole > 0, left / whole, 0.0)


def _outline(boxes: Tensor, points: int) -> Tensor:
    """Points on the sides of boxes (batch, boxes, 4): (batch, boxes, point, 2)."""
    left, top, right, bottom = boxes.unbind(-1)
    along = torch.linspace(0, 1, points, dtype=boxes.dtype, device=boxes.device)
    across = left[..., None] + (right - left)[..., None] * along
    down = top[..., None] + (bottom - top)[..., None] * along
    sides = [(across, top[..., None].expand_as(across)), (across, bottom[..., None].expand_as(across)),
             (left[..., None].expand_as(down), down), (right[..., None].expand_as(down), down)]  # fmt: skip
    return torch.cat([torch.stack(side, -1) for side in sides], -2)


def _at(field: Tensor | None, places: Tensor, size: tuple[int, int]) -> Tensor:
    """A field's values at places (batch, place, 2), counted from the middle; beyond the border those of the edge."""
    assert field is not None
    height, width = size
    half = torch.tensor([2 / width, 2 / height], dtype=places.dtype, device=places.device)
    grid = (places * half)[:, None]
    return F.grid_sample(field.to(places), grid, "bilinear", "border", align_corners=False)[:, :, 0].mT
