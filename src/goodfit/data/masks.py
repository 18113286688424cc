"""Masks: targets with a class for each pixel of an image."""

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
    """Targets as masks (rows, height, width), or None if they have fewer dimensions.

    Shape: (rows, height, width), optionally with one channel before or after height and width.

    >>> as_masks(np.zeros((2, 1, 4, 5))).shape, as_masks([1, 2])
    ((2, 4, 5), None)

    Raises:
        InputError: more than one channel.
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
            f"load: masks must have the shape (rows, height, width), got {y.shape}; for one-hot masks use "
            "y.argmax(1) (channels first) or y.argmax(-1) (channels last)."
        )
    return y


def is_masks(x: Tensor, y: Tensor) -> bool:
    """Whether targets are masks of the images x (batch, channels, height, width)."""
    return x.ndim == 4 and y.ndim in (3, 4) and x.shape[-2:] == y.shape[-2:]


def check_masks(x: Array, y: Array, kind: str) -> None:
    """Check that masks y (rows, height, width) fit the images x (rows, channels, height, width).

    Raises:
        InputError: x are not images, or have another size.
    """
    if not kind_named(kind).has_masks:
        raise InputError(
            f"load: masks {y.shape} need images, but the kind of data is {kind}; use one target for each row."
        )
    if x.shape[-2:] != y.shape[1:]:
        raise InputError(
            f"load: masks must have the size of their images, {x.shape[-2]} × {x.shape[-1]} (height × width), got "
            f"{y.shape[1]} × {y.shape[2]}; resize one of them."
        )


def encode_masks(y: Array, target: str) -> Targets:
    """Class indices (rows, height, width) uint8, and the names of the classes: the sorted values of the masks.

    >>> encode_masks(np.array([[[0, 255], [255, 0]]]), "y").classes
    ('0', '255')

    Raises:
        InputError: the values are not whole numbers, or there is a single one, or more than 256.
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
            f"load: the masks of target '{target}' have a single class, '{class_name(values[0])}'; two are needed."
        )
    return Targets(_codes(y, values), "segmentation", tuple(map(class_name, values)))


def encode_test_masks(y: Array, target: str, learned: Targets) -> Array:
    """The masks of an official test part as class indices of the training part.

    Raises:
        InputError: a class is not in the training part.
    """
    y = _whole(y, target)
    values = np.unique(y)
    indices = pd.Index(learned.classes).get_indexer(pd.Index([class_name(value) for value in values]))
    if (indices < 0).any():
        unknown = [class_name(value) for value, index in zip(values, indices, strict=True) if index < 0]
        raise InputError(f"load: class {quoted(unknown)} is in the masks of the test part but not in the other masks.")
    return indices.astype(np.uint8)[_codes(y, values)]


def class_name(value: Any) -> str:
    """The name of a class, from the value of the mask: the number, or a colour as #rrggbb.

    >>> class_name(3), class_name(COLOR_OFFSET + 0xFF0080)
    ('3', '#ff0080')
    """
    return f"#{int(value) - COLOR_OFFSET:06x}" if value >= COLOR_OFFSET else str(int(value))


def _whole(y: Array, target: str) -> Array:
    if y.dtype.kind == "b":
        return y.astype(np.uint8)
    if y.dtype.kind not in "iuf":
        raise InputError(f"load: the masks of target '{target}' hold {y.dtype} values; whole numbers are needed.")
    if y.dtype.kind == "f" and (not np.isfinite(y).all() or (y != np.rint(y)).any()):
        raise InputError(f"load: the masks of target '{target}' must hold whole numbers, one for each class.")
    return y.astype(np.int64) if y.dtype.kind == "f" else y


def _codes(y: Array, values: Array) -> Array:
    """The index of each value of y among the sorted `values`, as uint8."""
    if values[0] >= 0 and values[-1] < 1 << 16:
        table = np.zeros(int(values[-1]) + 1, np.uint8)
        table[values.astype(np.int64)] = np.arange(len(values))
        return table[y]
    return np.searchsorted(values, y).astype(np.uint8)
