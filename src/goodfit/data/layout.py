"""Arrays of any kind of data in the shape that networks take: channels in front of space and time."""

from __future__ import annotations

from typing import cast

import numpy as np

from goodfit.data.inputs import KINDS, LAYOUTS, SPACES, Kind
from goodfit.data.storage import is_large, is_mapped
from goodfit.errors import InputError, near
from goodfit.types import Array

COLOURS = (1, 3, 4)  # how many channels images have: grey, colours, colours with transparency


def arrange(x: Array, kind: str | None = None, who: str = "load") -> tuple[Array, Kind]:
    """Rows with their channels in front, and their kind, which is told from shape and dtype where it is not given.

    Shape: (rows, columns) is a table; (rows, height, width) of uint8 is grey images, of floats (rows, channels, time)
    series; four dimensions are images and five are clips, with their channels in front or at the end.

    >>> arrange(np.zeros((2, 28, 28), np.uint8))[0].shape, arrange(np.zeros((2, 32, 32, 3), np.uint8))[0].shape
    ((2, 1, 28, 28), (2, 3, 32, 32))
    >>> arrange(np.zeros((2, 8000)), "sound")[0].shape
    (2, 1, 8000)

    Raises:
        InputError: an unknown kind, or a shape that it cannot have.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"{who}: kind must be one of {', '.join(KINDS)}, got {kind!r}.{near(str(kind), KINDS)}")
    found = _told(x) if kind is None else cast(Kind, kind)
    space = SPACES[found]
    if not space:
        return x, found
    if x.ndim == space + 1:
        return x[:, None], found
    if x.ndim != space + 2:
        raise InputError(f"{who}: {found} data has the shape {LAYOUTS[found]}, got {x.shape}; give another kind=.")
    behind = found in ("image", "video") and x.shape[-1] in COLOURS and x.shape[1] not in COLOURS
    return (_in_front(x) if behind else x), found


def _in_front(x: Array) -> Array:
    """Channels from the end to the front; what does not fit into memory twice is not copied."""
    moved = np.moveaxis(x, -1, 1)
    return moved if is_mapped(x) or is_large(x.nbytes) else np.ascontiguousarray(moved)


def _told(x: Array) -> Kind:
    if x.ndim == 3:
        return "image" if x.dtype == np.uint8 else "series"
    if x.ndim == 4:
        return "image"
    return "video" if x.ndim == 5 else "table"
