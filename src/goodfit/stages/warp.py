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
    entries = [e + torch.zeros_like(like) for row in rows for e in row]
    return torch.stack(entries, -1).reshape(-1, 3, 3)


def resample(
    x: Tensor, matrix: Tensor, field: Tensor | None, fill: str, black: Any, *, flat: bool, nearest: bool = False
) -> Tensor:
    """Images x (batch, …, height, width) with each pixel taken from where matrix and field say.

    Shape: matrix (batch, 3, 3) as that of `Geometry`, field (batch, 2, height, width) as that of `Distortion`: a pixel
    is moved by the field first. black: the value beyond the border at fill "black"; flat: no matrix has a perspective.
    """
    height, width = x.shape[-2:]
    images = x.reshape(len(x), -1, height, width)
    across, down = taken(matrix, field, height, width, flat=flat)
    if fill == "wrap":  # images go on at the other side, with room to interpolate there
        across, down = (remainder(at, side) for at, side in ((across, width), (down, height)))
        images, height, width = F.pad(images, (0, 1, 0, 1), mode="circular"), height + 1, width + 1
    grid = torch.stack([across * (2 / width), down * (2 / height)], -1)  # [−1, 1] is the image
    offset: Any = black if fill == "black" else 0.0
    shifted = isinstance(offset, Tensor) or offset != 0
    mode = "nearest" if nearest else "bilinear"
    given = images - offset if shifted else images
    moved: Tensor = F.grid_sample(given, grid, mode, PADDING[fill], align_corners=False)
    return (moved + offset if shifted else moved).reshape(x.shape)


def taken(matrix: Tensor, field: Tensor | None, height: int, width: int, *, flat: bool) -> tuple[Tensor, Tensor]:
    """From where each pixel is taken, in pixels from the middle: to the right, and downwards; (batch, height, width).

    >>> across, down = taken(2 * torch.eye(3)[None], None, 1, 3, flat=True)
    >>> across.flatten(), down.flatten()
    (tensor([-2.,  0.,  2.]), tensor([0., 0., 0.]))
    """
    kind = {"dtype": matrix.dtype, "device": matrix.device}
    x = torch.arange(width, **kind) - (width - 1) / 2  # type: ignore[call-overload]
    y = (torch.arange(height, **kind) - (height - 1) / 2)[:, None]  # type: ignore[call-overload]
    if field is not None:
        x, y = x + field[:, 0], y + field[:, 1]
    rows = [[entry[:, None, None] for entry in row.unbind(1)] for row in matrix.unbind(1)[: 2 if flat else 3]]
    # What depends on the column alone, and on the row alone, is computed for one of them.
    found = [a * x + (b * y + c) for a, b, c in rows]
    return (found[0], found[1]) if flat else (found[0] / found[2], found[1] / found[2])


def remainder(at: Tensor, side: int) -> Tensor:
    """Places beyond the border, put where the image goes on at the other side: in one with a pixel more per side."""
    return torch.remainder(at + (side - 1) / 2, side) - side / 2
