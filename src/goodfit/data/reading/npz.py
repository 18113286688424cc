"""Arrays of npz archives; those that do not fit into memory are unpacked into files."""

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
    """An array of an archive that `numpy.load` has opened; a large one is read in pieces into a file.

    Args:
        archive: the opened archive.
        key: the name of the array.
        folder: where the file of a large array is created, until the array is no longer used; without it, the folder
            `goodfit.data.storage.default_cache_folder()`.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: the archive is damaged.
    """
    name = key if key in archive.zip.namelist() else f"{key}.npy"
    with archive.zip.open(name) as file:
        read_header = HEADERS.get(np.lib.format.read_magic(file))
        shape, by_columns, dtype = read_header(file) if read_header else ((), False, np.dtype(object))
        if by_columns or dtype.hasobject or not shape or not is_large(math.prod(shape) * dtype.itemsize):
            array: Array = archive[key]
            return array
        array = allocate(shape, dtype, folder, mapped=True)
        for rows in block_slices(array, f"unpacking {key}"):
            _fill(array[rows], file)
        file.read(1)  # zipfile checks the checksum at the end of the file
    return array


def _fill(piece: Array, file: Any) -> None:
    raw = piece.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(raw):
        count = file.readinto(raw[at:])
        if not count:
            raise ValueError(f"the file is truncated: {len(raw) - at} bytes are missing")
        at += count
