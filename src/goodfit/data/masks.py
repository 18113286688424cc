"""Masks: targets that name a class for each pixel of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from goodfit.data.arrays import as_array
from goodfit.data.checks import quoted
from goodfit.data.kinds import kind as kind_named
from goodfit.data.reading.masks import COLOR_OFFSET, MAX_CLASSES
from goodfit.data.task import Targets
from goodfit.errors import InputError
from goodfit.types import Array


def as_masks(values: object) -> Array | None:
    """Targets as masks (rows, height, width) where they are such; else None.

    Shape: (rows, height, width), also with one channel before or behind height and width.

    >>> as_masks(np.zeros((2, 1, 4, 5))).shape, as_masks([1, 2])
    ((2, 4, 5), None)

    Raises:
        InputError: more channels.
    """
    if isinstance(values, pd.DataFrame | pd.Series):
        return None
    y = as_array(values, "load: y")
    if y.ndim < 3:
        return None
    if y.ndim == 4 and 1 in (y.shape[1], y.shape[3]):
        y = y[:, 0] if y.shape[1] == 1 else y[..., 0]
    if y.ndim != 3:
        raise InputError(
            f"load: masks must have the shape (rows, height, width), got {y.shape}; for one-hot masks give "
            "y.argmax(1) (channels in front) or y.argmax(-1)."
        )
    return y


def is_masks(x: Tensor, y: Tensor) -> bool:
    """Whether targets are masks of the images x (batch, channels, height, width)."""
    return x.ndim == 4 and y.ndim in (3, 4) and x.shape[-2:] == y.shape[-2:]


def check_masks(x: Array, y: Array, kind: str) -> None:
    """Refuse masks that are not those of the images x (rows, channels, height, width).

    Raises:
        InputError: no images, or images of another size.
    """
    if not kind_named(kind).has_masks:
        raise InputError(f"load: masks {y.shape} are for images; this is {kind} data: give one target for each row.")
    if x.shape[-2:] != y.shape[1:]:
        raise InputError(
            f"load: masks must have the size of their images, {x.shape[-2]} × {x.shape[-1]} (height × width), got "
            f"{y.shape[1]} × {y.shape[2]}; bring both to one."
        )


def encode_masks(y: Array, target: str) -> Targets:
    """Class numbers (rows, height, width) uint8, and the names of the classes: the masks' values in their order.

    >>> encode_masks(np.array([[[0, 255], [255, 0]]]), "y").classes
    ('0', '255')

    Raises:
        InputError: values that are no whole numbers, a single one, or more than 256.
    """
    y = _whole(y, target)
    values = np.unique(y)
    if len(values) > MAX_CLASSES:
        raise InputError(
            f"load: masks must hold one whole number for each class, at most {MAX_CLASSES}, got {len(values):,} "
            "different values; save masks without loss (PNG, not JPEG)."
        )
    if len(values) < 2:
        raise InputError(
            f"load: the masks of target '{target}' hold one class only, '{name_of(values[0])}'; give masks of two."
        )
    return Targets(_codes(y, values), "segmentation", tuple(map(name_of, values)))


def encode_test_masks(y: Array, target: str, learned: Targets) -> Array:
    """The masks of an official test part, in the classes of the training part.

    Raises:
        InputError: a class that the training part does not have.
    """
    y = _whole(y, target)
    found = np.unique(y)
    places = pd.Index(learned.classes).get_indexer(pd.Index([name_of(value) for value in found]))
    if (places < 0).any():
        unknown = [name_of(value) for value, place in zip(found, places, strict=True) if place < 0]
        raise InputError(f"load: class {quoted(unknown)} is in the masks of the test part but in no other.")
    return places.astype(np.uint8)[_codes(y, found)]


def name_of(value: Any) -> str:
    """The name of a mask's value: the number, or the colour as #rrggbb.

    >>> name_of(3), name_of(COLOR_OFFSET + 0xFF0080)
    ('3', '#ff0080')
    """
    return f"#{int(value) - COLOR_OFFSET:06x}" if value >= COLOR_OFFSET else str(int(value))


def _whole(y: Array, target: str) -> Array:
    if y.dtype.kind == "b":
        return y.astype(np.uint8)
    if y.dtype.kind not in "iuf":
        raise InputError(f"load: the masks of target '{target}' hold {y.dtype} values, whole numbers are needed.")
    if y.dtype.kind == "f" and (not np.isfinite(y).all() or (y != np.rint(y)).any()):
        raise InputError(f"load: the masks of target '{target}' must hold whole numbers, one for each class.")
    return y.astype(np.int64) if y.dtype.kind == "f" else y


def _codes(y: Array, values: Array) -> Array:
    """The place of each value among the sorted ones, in one byte."""
    if values[0] >= 0 and values[-1] < 1 << 16:
        table = np.zeros(int(values[-1]) + 1, np.uint8)
        table[values.astype(np.int64)] = np.arange(len(values))
        return table[y]
    return np.searchsorted(values, y).astype(np.uint8)
