"""Images resampled once by a matrix and a displacement field."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.ops.broadcast import maybe_nonzero

FILL_MODES = ("black", "grey", "edge", "reflect", "wrap")
PADDING_MODES = {"black": "zeros", "grey": "zeros", "edge": "border", "reflect": "reflection", "wrap": "border"}
"""The `padding_mode` of `grid_sample` for each fill mode."""


def homogeneous_matrices(rows: list[list[Any]], like: Tensor) -> Tensor:
    """Build matrices from their entries, each a number or a tensor (batch,). The third row defaults to 0, 0, 1.

    Shape: two or three rows of three entries → (batch, 3, 3), with the dtype and device of `like` (batch,).

    >>> homogeneous_matrices([[torch.tensor([2.0]), 0, 5], [0, 1, 0]], torch.zeros(1))[0]
    tensor([[2., 0., 5.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    rows = rows if len(rows) == 3 else [*rows, [0.0, 0.0, 1.0]]
    entries = [entry for row in rows for entry in row]
    constants = {n: torch.full_like(like, n) for n in entries if not isinstance(n, Tensor)}
    return torch.stack([e if isinstance(e, Tensor) else constants[e] for e in entries], -1).reshape(-1, 3, 3)


def warp_images(
    x: Tensor, matrix: Tensor, field: Tensor | None, fill: str, black: Any, *, affine: bool, nearest: bool = False
) -> Tensor:
    """Take each pixel from the source position that the field and the matrix give; bilinear interpolation.

    A pixel is moved by the field first. Positions are in pixels to the right and downwards from the image's middle.

    Args:
        x: images (batch, …, height, width).
        matrix: (batch, 3, 3), from a pixel's position to its source; see `goodfit.stages.MatrixWarp`.
        field: (batch, 2, height, width), offsets; see `goodfit.stages.DisplacementWarp`. None: no displacement.
        fill: what lies beyond the border, one of `FILL_MODES`.
        black: the value beyond the border where fill is "black".
        affine: whether the third row of every matrix is 0, 0, 1.
        nearest: take the nearest pixel instead of interpolating, as masks need it.
    """
    height, width = x.shape[-2:]
    images = x.reshape(len(x), -1, height, width)
    half = torch.tensor([2 / width, 2 / height, 1.0], dtype=matrix.dtype, device=matrix.device)
    wraps = fill == "wrap"
    grid = sampling_grid(matrix if wraps else matrix * half[:, None], field, height, width, affine=affine)
    if wraps:  # the image continues at the opposite side; one more pixel leaves room to interpolate there
        images, grid = F.pad(images, (0, 1, 0, 1), mode="circular"), _wrap_grid(grid, height, width)
    offset: Any = black if fill == "black" else 0.0
    mode = "nearest" if nearest else "bilinear"
    shifted = images - offset if maybe_nonzero(offset) else images
    warped: Tensor = F.grid_sample(shifted, grid, mode, PADDING_MODES[fill], align_corners=False)
    return (warped + offset if maybe_nonzero(offset) else warped).reshape(x.shape)


def sampling_grid(matrix: Tensor, field: Tensor | None, height: int, width: int, *, affine: bool) -> Tensor:
    """The source position of each pixel, to the right and downwards from the middle: (batch, height, width, 2).

    >>> sampling_grid(2 * torch.eye(3)[None], None, 1, 3, affine=True).tolist()
    [[[[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]]]
    """
    like = {"dtype": matrix.dtype, "device": matrix.device}
    x = torch.arange(width, **like) - (width - 1) / 2  # type: ignore[call-overload]
    y = torch.arange(height, **like) - (height - 1) / 2  # type: ignore[call-overload]
    if affine and field is None:  # the sum of a term per column and a term per row
        columns = x[:, None] * matrix[:, None, :2, 0]  # (batch, width, 2)
        rows = y[:, None] * matrix[:, None, :2, 1] + matrix[:, None, :2, 2]  # (batch, height, 2)
        grid: Tensor = columns[:, None] + rows[:, :, None]
        return grid
    across, down = x.expand(height, width), y[:, None].expand(height, width)
    if field is not None:
        across, down = across + field[:, 0], down + field[:, 1]
    entries = [[entry[:, None, None] for entry in row.unbind(1)] for row in matrix.unbind(1)[: 2 if affine else 3]]
    at = [a * across + b * down + c for a, b, c in entries]
    return torch.stack(at if affine else [at[0] / at[2], at[1] / at[2]], -1)


def _wrap_grid(at: Tensor, height: int, width: int) -> Tensor:
    """Map positions beyond the border to the opposite side, in an image with one more pixel per dimension."""
    size = torch.tensor([width, height], dtype=at.dtype, device=at.device)
    inside = torch.remainder(at + (size - 1) / 2, size) - size / 2
    return inside * 2 / (size + 1)
