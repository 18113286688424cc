"""Images taken apart and put together anew in one resampling: a matrix, a field of shifts, and what fills the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

FILLS = ("black", "grey", "edge", "reflect", "wrap")
PADDING = {"black": "zeros", "grey": "zeros", "edge": "border", "reflect": "reflection", "wrap": "border"}


def levels(rows: int, count: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, ...]:
    """`count` numbers for each of some samples, even over [−1, 1): a tensor (rows,) each."""
    drawn = torch.empty(count, rows, dtype=torch.float32, device=device)
    return tuple(drawn.uniform_(-1.0, 1.0, generator=generator).unbind(0))


def wide(rows: Tensor, x: Tensor) -> Tensor:
    """A number per sample (batch,), in as many dimensions as x (batch, …).

    >>> wide(torch.zeros(3), torch.zeros(3, 1, 2)).shape
    torch.Size([3, 1, 1])
    """
    shaped: Tensor = rows.reshape(-1, *[1] * (x.ndim - 1))
    return shaped


def at_frames(x: Tensor, frames: Tensor) -> Tensor:
    """Clips x (batch, channel, frame, …) with the given frames (batch, frame), whole numbers, in place of their own.

    >>> at_frames(torch.tensor([[[5.0, 6.0]]]), torch.tensor([[1, 1]]))
    tensor([[[6., 6.]]])
    """
    wanted = frames.reshape(len(x), 1, -1, *[1] * (x.ndim - 3))
    return x.gather(2, wanted.expand(-1, x.shape[1], -1, *x.shape[3:]))


def grey(images: Tensor) -> Tensor:
    """The brightness (batch, 1, …) of coloured images (batch, 3, …); that of others is the mean of their channels."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    weighted: Tensor = 0.299 * red + 0.587 * green + 0.114 * blue
    return weighted


def matrices(rows: list[list[Any]], like: Tensor) -> Tensor:
    """Matrices (batch, 2 or 3, 3) from their entries, each a number or a tensor (batch,); a third row is 0, 0, 1.

    >>> matrices([[torch.tensor([2.0]), 0, 5], [0, 1, 0]], torch.zeros(1))[0]
    tensor([[2., 0., 5.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    rows = rows if len(rows) == 3 else [*rows, [0.0, 0.0, 1.0]]
    entries = [entry for row in rows for entry in row]
    numbers = {n: torch.full_like(like, n) for n in entries if not isinstance(n, Tensor)}
    return torch.stack([e if isinstance(e, Tensor) else numbers[e] for e in entries], -1).reshape(-1, 3, 3)


def resample(
    x: Tensor, matrix: Tensor, field: Tensor | None, fill: str, black: Any, *, flat: bool, nearest: bool = False
) -> Tensor:
    """Images x (batch, …, height, width) with each pixel taken from where matrix and field say.

    Shape: matrix (batch, 3, 3) as that of `Geometry`, field (batch, 2, height, width) as that of `Distortion`: a pixel
    is moved by the field first. black: the value beyond the border at fill "black"; flat: no matrix has a perspective.
    """
    height, width = x.shape[-2:]
    images = x.reshape(len(x), -1, height, width)
    half = torch.tensor([2 / width, 2 / height, 1.0], dtype=matrix.dtype, device=matrix.device)
    wraps = fill == "wrap"
    grid = taken(matrix if wraps else matrix * half[:, None], field, height, width, flat=flat)  # [−1, 1] is the image
    if wraps:  # images go on at the other side, with room to interpolate there
        images, grid = F.pad(images, (0, 1, 0, 1), mode="circular"), _wrapped(grid, height, width)
    offset: Any = black if fill == "black" else 0.0
    mode = "nearest" if nearest else "bilinear"
    given = images - offset if shifted(offset) else images
    moved: Tensor = F.grid_sample(given, grid, mode, PADDING[fill], align_corners=False)
    return (moved + offset if shifted(offset) else moved).reshape(x.shape)


def shifted(value: Any) -> bool:
    """Whether a value, which in a population is a tensor, may be another than 0."""
    return isinstance(value, Tensor) or value != 0


def taken(matrix: Tensor, field: Tensor | None, height: int, width: int, *, flat: bool) -> Tensor:
    """From where each pixel is taken: (batch, height, width, 2), to the right and downwards from the middle.

    >>> taken(2 * torch.eye(3)[None], None, 1, 3, flat=True).tolist()
    [[[[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]]]
    """
    kind = {"dtype": matrix.dtype, "device": matrix.device}
    x = torch.arange(width, **kind) - (width - 1) / 2  # type: ignore[call-overload]
    y = torch.arange(height, **kind) - (height - 1) / 2  # type: ignore[call-overload]
    if flat and field is None:  # the sum of what the column and what the row brings
        columns = x[:, None] * matrix[:, None, :2, 0]  # (batch, width, 2)
        rows = y[:, None] * matrix[:, None, :2, 1] + matrix[:, None, :2, 2]  # (batch, height, 2)
        found: Tensor = columns[:, None] + rows[:, :, None]
        return found
    across, down = x.expand(height, width), y[:, None].expand(height, width)
    if field is not None:
        across, down = across + field[:, 0], down + field[:, 1]
    entries = [[entry[:, None, None] for entry in row.unbind(1)] for row in matrix.unbind(1)[: 2 if flat else 3]]
    at = [a * across + b * down + c for a, b, c in entries]
    return torch.stack(at if flat else [at[0] / at[2], at[1] / at[2]], -1)


def _wrapped(at: Tensor, height: int, width: int) -> Tensor:
    """Places beyond the border, put where the image goes on at the other side: in one with a pixel more per side."""
    size = torch.tensor([width, height], dtype=at.dtype, device=at.device)
    inside = torch.remainder(at + (size - 1) / 2, size) - size / 2
    return inside * 2 / (size + 1)
