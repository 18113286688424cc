"""Arrays that do not fit into memory: kept in files, of which the pages in use alone take memory."""

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
"""Of the free memory: an array that takes more is kept in a file."""
CHUNK, VALUES = 4096, 2**22
"""Rows, and values of them, that are handled at once, so that float64 copies of a large set never exist as a whole."""
LONG = 2**30
"""Bytes from which on work on an array shows its progress."""


def large(size: int) -> bool:
    """Whether an array of so many bytes is to be kept in a file."""
    return size > SHARE * free_memory()


def is_mapped(x: object) -> bool:
    """Whether an array lies in a file, whole or in part."""
    while isinstance(x, np.ndarray):
        x = x.base
    return isinstance(x, mmap.mmap)


def usual_folder() -> Path:
    """`goodfit` in the system's folder for what can be made again: XDG_CACHE_HOME, LOCALAPPDATA or ~/.cache.

    Raises:
        InputError: there is no such folder.
    """
    named = [os.environ.get(name, "") for name in ("XDG_CACHE_HOME", "LOCALAPPDATA")]
    found = next((Path(name) for name in named if Path(name).is_absolute()), None)
    try:
        return (found or Path.home() / ".cache") / "goodfit"
    except RuntimeError as error:
        raise InputError(
            "cache: there is no home folder in which data could be kept; name a folder: load(…, cache=FOLDER)."
        ) from error


def cache_folder(given: str | os.PathLike[str] | None) -> Path | None:
    """The folder that a user names.

    Raises:
        InputError: what cannot be one.
    """
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike) or not isinstance(os.fspath(given), str) or not os.fspath(given):
        raise InputError(f"load: cache must be a folder, got {given!r}; leave it out for the usual one.")
    return Path(given).expanduser().resolve()


@contextlib.contextmanager
def keeping(folder: Path, size: int) -> Iterator[None]:
    """Make a folder in which so many bytes are then kept.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InputError(
            f"cache: {size / 1e9:.3g} GB of data cannot be kept in '{folder}' ({error.strerror or error}); make room "
            "there, or name another folder: load(…, cache=FOLDER)."
        ) from error


def reserve(file: IO[bytes], folder: Path, size: int) -> None:
    """Take the space that a file needs: a mapped page without space on the disk would end the process.

    Raises:
        OSError: there is not enough.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if sys.platform == "linux":
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # some file systems cannot
                raise


def room(shape: Sequence[int], dtype: npt.DTypeLike, folder: Path | None = None, mapped: bool = False) -> Array:
    """An array of zeros; in a file that goes with it where it is large, or `mapped`.

    `folder`: where such a file lies; none: in `usual_folder()`.

    >>> room((2, 3), np.float32).shape
    (2, 3)

    Raises:
        InputError: the file cannot be written.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not size or not (mapped or large(size)):
        return np.zeros(shape, dtype)
    folder = folder or usual_folder()
    with keeping(folder, size), tempfile.TemporaryFile(dir=folder) as file:
        reserve(file, folder, size)
        return np.memmap(file, np.dtype(dtype), "w+", shape=tuple(shape))


@dataclass(frozen=True, eq=False)
class Picked:
    """Some rows of an array, which are fetched a few at a time.

    Shape: x (n, …) and rows (m,) stand for (m, …). `folder`: where what is made of them is kept; none: in
    `usual_folder()`.

    >>> Picked(np.array([[1], [2], [3]]), np.array([2, 0]))[0:2].tolist()
    [[3], [1]]
    """

    x: Array
    rows: npt.NDArray[np.int64]
    folder: Path | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the picked rows."""
        return (len(self.rows), *self.x.shape[1:])

    @property
    def ndim(self) -> int:
        """Dimensions, that of the rows included."""
        return self.x.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the values."""
        return self.x.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, piece: slice) -> Array:
        return np.ascontiguousarray(self.x[self.rows[piece]])


def chunks(n: int, values: int = 1) -> Iterator[slice]:
    """Slices that cover n rows of so many values, a bounded number of both at a time.

    >>> list(chunks(5000)), len(list(chunks(100, 2**21)))
    ([slice(0, 4096, None), slice(4096, 8192, None)], 50)
    """
    step = max(1, min(CHUNK, VALUES // max(1, values)))
    return (slice(start, start + step) for start in range(0, n, step))


def pieces(x: Array | Picked, title: str = "") -> Iterator[Array]:
    """The rows (n, …) of an array, a few at a time, each piece in one stretch of memory.

    Where there is a title, long work shows how far it has come.
    """
    for rows in parts(x, title):
        yield np.ascontiguousarray(x[rows])


def parts(x: Array | Picked, title: str = "") -> Iterator[slice]:
    """The slices in which `pieces` goes through an array."""
    every = list(chunks(len(x), math.prod(x.shape[1:])))
    size = math.prod(x.shape) * x.dtype.itemsize
    return track(every, title, show=is_shown(None) and bool(title) and size > LONG)


def chosen(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The rows of a tensor with these numbers, in a file where they are large.

    >>> chosen(torch.tensor([[1], [2], [3]]), torch.tensor([2, 0])).tolist()
    [[3], [1]]
    """
    if x.device.type != "cpu" or not large(len(rows) * x[:1].nbytes):
        return x[rows]
    made = _like(x, len(rows))
    for part in chunks(len(rows), x[:1].numel()):
        torch.index_select(x, 0, rows[part], out=made[part])
    return made


def joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Tensors one behind the other, in a file where they are large together.

    >>> joined([torch.ones(1, 2), torch.zeros(1, 2)]).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if len(tensors) == 1:
        return tensors[0]
    if tensors[0].device.type != "cpu" or not large(sum(x.nbytes for x in tensors)):
        return torch.cat([*tensors])
    made = _like(tensors[0], sum(len(x) for x in tensors))
    at = 0
    for x in tensors:
        made[at : at + len(x)].copy_(x)
        at += len(x)
    return made


def _like(x: torch.Tensor, rows: int) -> torch.Tensor:
    kind = x.new_empty(0).numpy().dtype
    return torch.from_numpy(room((rows, *x.shape[1:]), kind, mapped=True))
