"""Arrays that do not fit into memory: memory-mapped files, processed in blocks of rows."""

from __future__ import annotations

import contextlib
import errno
import math
import mmap
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch

from goodfit.errors import InputError
from goodfit.memory import free_memory
from goodfit.progress import is_shown, track
from goodfit.types import Array

SHARE = 0.25
"""An array that takes a larger share of the free memory is stored in a file."""
CHUNK, VALUES = 4096, 2**22
"""The most rows and values of a block, so that there is never a float64 copy of a whole large array."""
LONG = 2**30
"""Bytes from which on work on an array shows a progress bar."""


def is_large(size: int) -> bool:
    """Whether an array of `size` bytes should be stored in a file."""
    return size > SHARE * free_memory()


def is_mapped(x: object) -> bool:
    """Whether an array, or the array of which it is a view, is memory-mapped."""
    while isinstance(x, np.ndarray):
        x = x.base
    return isinstance(x, mmap.mmap)


def default_cache_folder() -> Path:
    """The folder `goodfit` in the user's cache folder: XDG_CACHE_HOME, LOCALAPPDATA or ~/.cache.

    Raises:
        InputError: the user has no home folder.
    """
    named = [os.environ.get(name, "") for name in ("XDG_CACHE_HOME", "LOCALAPPDATA")]
    folder = next((Path(name) for name in named if Path(name).is_absolute()), None)
    try:
        return (folder or Path.home() / ".cache") / "goodfit"
    except RuntimeError as error:
        raise InputError(
            "cache: there is no home folder for cached data; name a folder: load(…, cache=FOLDER)."
        ) from error


def cache_folder(folder: str | os.PathLike[str] | None) -> Path | None:
    """The absolute path of the folder that a user names; None without a name.

    Raises:
        InputError: not a path.
    """
    if folder is None:
        return None
    if not isinstance(folder, str | os.PathLike) or not isinstance(os.fspath(folder), str) or not os.fspath(folder):
        raise InputError(f"load: cache must be a folder, got cache={folder!r}; leave it out for the default folder.")
    return Path(folder).expanduser().resolve()


@contextlib.contextmanager
def writing_to(folder: Path, size: int) -> Iterator[None]:
    """Create a folder and, within the context, report failures to write `size` bytes to it.

    Raises:
        InputError: the folder cannot be created or written to, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(
            f"cache: {size / 1e9:.3g} GB of data cannot be written to '{folder}' ({error.strerror or error}); free "
            "some space there, or name another folder: load(…, cache=FOLDER)."
        ) from error


def reserve_space(file: IO[bytes], folder: Path, size: int) -> None:
    """Reserve disk space for a file: writing to a mapped page without space would kill the process.

    Raises:
        OSError: there is not enough space.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if sys.platform == "linux":
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not supported by some file systems
                raise


def allocate(shape: Sequence[int], dtype: npt.DTypeLike, folder: Path | None = None, mapped: bool = False) -> Array:
    """An array of zeros, in a temporary file if it is large or `mapped`.

    The file is in `folder`, by default in `default_cache_folder()`, and is deleted with the array.

    >>> allocate((2, 3), np.float32).shape
    (2, 3)

    Raises:
        InputError: the file cannot be written.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not size or not (mapped or is_large(size)):
        return np.zeros(shape, dtype)
    folder = folder or default_cache_folder()
    with writing_to(folder, size), tempfile.TemporaryFile(dir=folder) as file:
        reserve_space(file, folder, size)
        return np.memmap(file, np.dtype(dtype), "w+", shape=tuple(shape))


@dataclass(frozen=True, eq=False)
class RowSubset:
    """Some rows of an array, read in blocks by slicing.

    Shape: x (n, …) and rows (m,) → (m, …). `folder` is where arrays computed from the rows are stored, by default
    `default_cache_folder()`.

    >>> RowSubset(np.array([[1], [2], [3]]), np.array([2, 0]))[0:2].tolist()
    [[3], [1]]
    """

    x: Array
    rows: npt.NDArray[np.int64]
    folder: Path | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the selected rows."""
        return (len(self.rows), *self.x.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of dimensions, including that of the rows."""
        return self.x.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.x.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, block: slice) -> Array:
        return np.ascontiguousarray(self.x[self.rows[block]])


def row_slices(n: int, values: int = 1) -> Iterator[slice]:
    """Slices that cover n rows of `values` values each, with at most CHUNK rows and about VALUES values in each slice.

    >>> list(row_slices(5000)), len(list(row_slices(100, 2**21)))
    ([slice(0, 4096, None), slice(4096, 8192, None)], 50)
    """
    step = max(1, min(CHUNK, VALUES // max(1, values)))
    return (slice(start, start + step) for start in range(0, n, step))


def blocks(x: Array | RowSubset, title: str = "") -> Iterator[Array]:
    """The rows (n, …) of an array in contiguous blocks; with a title, large arrays show a progress bar."""
    for rows in block_slices(x, title):
        yield np.ascontiguousarray(x[rows])


def block_slices(x: Array | RowSubset, title: str = "") -> Iterator[slice]:
    """The slices of the rows that `blocks` returns; with a title, large arrays show a progress bar."""
    slices = list(row_slices(len(x), math.prod(x.shape[1:])))
    size = math.prod(x.shape) * x.dtype.itemsize
    return track(slices, title, show=is_shown(None) and bool(title) and size > LONG)


def take_rows(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Some rows of a tensor by index; the result is in a file if it is large.

    >>> take_rows(torch.tensor([[1], [2], [3]]), torch.tensor([2, 0])).tolist()
    [[3], [1]]
    """
    if x.device.type != "cpu" or not is_large(len(rows) * x[:1].nbytes):
        return x[rows]
    out = _empty_mapped(x, len(rows))
    for block in row_slices(len(rows), x[:1].numel()):
        torch.index_select(x, 0, rows[block], out=out[block])
    return out


def concatenate(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Concatenate tensors along the rows; the result is in a file if it is large.

    >>> concatenate([torch.ones(1, 2), torch.zeros(1, 2)]).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if len(tensors) == 1:
        return tensors[0]
    if tensors[0].device.type != "cpu" or not is_large(sum(x.nbytes for x in tensors)):
        return torch.cat([*tensors])
    out = _empty_mapped(tensors[0], sum(len(x) for x in tensors))
    start = 0
    for x in tensors:
        out[start : start + len(x)].copy_(x)
        start += len(x)
    return out


def _empty_mapped(like: torch.Tensor, rows: int) -> torch.Tensor:
    """A memory-mapped tensor with the dtype and the row shape of another."""
    dtype = like.new_empty(0).numpy().dtype
    return torch.from_numpy(allocate((rows, *like.shape[1:]), dtype, mapped=True))
