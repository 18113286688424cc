"""Arrays of npz archives: those that do not fit into memory are unpacked into files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.storage import allocate, block_slices, is_large
from goodfit.types import Array

HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_array(archive: Any, key: str, folder: Path | None = None) -> Array:
    """An array of an archive that `numpy.load` has opened, read piece by piece where it is large.

    `folder`: where the file lies that it is then in, until nobody needs it any more; none: in
    `goodfit.data.storage.default_cache_folder()`.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: it is damaged.
    """
    name = key if key in archive.zip.namelist() else f"{key}.npy"
    with archive.zip.open(name) as file:
        read = HEADERS.get(np.lib.format.read_magic(file))
        shape, by_columns, dtype = read(file) if read else ((), False, np.dtype(object))
        if by_columns or dtype.hasobject or not shape or not is_large(math.prod(shape) * dtype.itemsize):
            found: Array = archive[key]
            return found
        made = allocate(shape, dtype, folder, mapped=True)
        for rows in block_slices(made, f"unpacking {key}"):
            _fill(made[rows], file)
        file.read(1)  # at its end the checksum is looked at
    return made


def _fill(piece: Array, file: Any) -> None:
    raw = piece.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(raw):
        got = file.readinto(raw[at:])
        if not got:
            raise ValueError(f"it ends {len(raw) - at} bytes too early")
        at += got
