"""Decoded files that are kept in a folder, from which the next load takes them without decoding."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from goodfit.data.reading.listing import LOG, Damaged
from goodfit.data.storage import default_cache_folder, is_large, reserve_space, writing_to
from goodfit.errors import InputError
from goodfit.types import Array

F = TypeVar("F")
Make: TypeAlias = Callable[[tuple[int, ...], npt.DTypeLike], Array]
"""Shape and dtype → an array of zeros to decode into."""
VERSION = 1
ABOUT = "about.json"
PART = ".part-"
"""What the name of a folder holds that is not yet whole."""
STALE = 86_400.0
"""Seconds after which such a folder, in which nothing was changed, is taken for one of a process that has died."""


@dataclass(frozen=True)
class Wanted:
    """What is to be decoded: the files below a folder, and all that says in which form they come out.

    `count`: the rows that come out where no file is damaged.
    """

    root: Path
    files: Sequence[Path]
    asked: tuple[object, ...]
    count: int

    @property
    def name(self) -> str:
        """A name that changes with what is asked, and with the names, sizes and times of the files."""
        told = blake2b(repr((VERSION, str(self.root), self.asked)).encode(), digest_size=12)
        for file in self.files:
            with contextlib.suppress(OSError):  # who decodes it tells what is wrong
                status = file.stat()
                about = (str(file.relative_to(self.root)), status.st_size, status.st_mtime_ns)
                told.update(repr(about).encode())
        return f"{self.root.name}-{told.hexdigest()}"


def kept(
    wanted: Wanted, folder: Path | None, damaged: Damaged, form: type[F], work: Callable[[Make], tuple[list[Array], F]]
) -> tuple[list[Array], F]:
    """The arrays and the form that `work` gives, or, where they are kept already, these; what it had logged included.

    `work` gets a function that makes the arrays to decode into. Where `folder` is given, or they do not fit into
    memory, those lie in files, and are kept: in `folder`, or in `goodfit.data.storage.default_cache_folder()`. A
    folder in it appears as a whole when the work is done; it may be removed at any time. `form`: a dataclass of
    plain values.

    Raises:
        InputError: the folder cannot be written, or the disk is full; what `work` raises.
    """
    with contextlib.suppress(_NotKeptError, InputError):  # there may be no usual folder
        arrays, made, said = _taken(_entry(wanted, folder), wanted, damaged, form)
        for level, text in said:
            LOG.log(level, "%s", text)
        return arrays, made
    making = _Making(wanted, folder)
    try:
        with _said() as said:
            arrays, made = work(making.make)
        if not making.names:
            return arrays, made
        about = {"form": dataclasses.asdict(made), "said": said}  # type: ignore[call-overload]
        entry = making.finish(arrays, about)
        return _taken(entry, wanted, damaged, form)[:2]
    except _NotKeptError as error:
        raise InputError(f"cache: what was kept in '{entry}' cannot be read back; remove it and load again.") from error
    finally:
        making.clear()


def compact_rows(x: Array, rows: Sequence[int]) -> Array:
    """The rows of x with these numbers, in their order, moved to the front: x itself is overwritten.

    >>> compact_rows(np.array([[1], [2], [3]]), [0, 2]).tolist()
    [[1], [3]]
    """
    for to, at in enumerate(rows):
        if to != at:
            x[to] = x[at]
    return x[: len(rows)]


@dataclass
class _Making:
    """Arrays that are decoded into, in a folder that gets its name at the end."""

    wanted: Wanted
    folder: Path | None
    names: dict[int, str] = field(default_factory=dict)  # where an array lies in memory → its file
    part: Path | None = None

    def make(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array of zeros, in a file where that is wanted, or where it is large."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if not size or (self.folder is None and not is_large(size)):
            return np.zeros(shape, dtype)
        place = _entry(self.wanted, self.folder)
        with writing_to(place.parent, size):
            if self.part is None:
                _sweep(place.parent)
                self.part = place.with_name(f"{place.name}{PART}{os.getpid()}-{threading.get_ident()}")
                self.part.mkdir()
            path = self.part / f"{len(self.names)}.npy"
            made = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
            with path.open("r+b") as file:
                reserve_space(file, self.part, path.stat().st_size)
        self.names[made.ctypes.data] = path.name
        return made

    def finish(self, arrays: list[Array], about: dict[str, Any]) -> Path:
        """Write what is not yet in files, and give the folder its name; the arrays are let go."""
        place, part = _entry(self.wanted, self.folder), self.part
        assert part is not None
        with writing_to(place.parent, sum(x.nbytes for x in arrays)):
            files = [self._written(part, number, x) for number, x in enumerate(arrays)]
            told = json.dumps({"version": VERSION, "root": str(self.wanted.root), "arrays": files, **about}, indent=1)
            (part / ABOUT).write_text(told, encoding="utf-8")
            arrays.clear()  # some systems rename no folder whose files are open
            shutil.rmtree(place, ignore_errors=True)  # one that could not be taken
            try:
                part.replace(place)
            except OSError:
                if not place.is_dir():  # else another process was faster
                    raise
        if self.folder is None:
            size = sum(file.stat().st_size for file in place.iterdir())
            LOG.warning("load: '%s' is large and is kept decoded in '%s' (%.3g GB), which may be removed at any time",
                        self.wanted.root.name, place, size / 1e9)  # fmt: skip
        return place

    def _written(self, part: Path, number: int, x: Array) -> tuple[str, int]:
        """The name of an array's file, and how many of its rows count."""
        name = self.names.get(x.ctypes.data)
        if name is None:
            name = f"memory {number}.npy"
            np.save(part / name, x, allow_pickle=False)
        elif isinstance(x, np.memmap):
            x.flush()
        return name, len(x)

    def clear(self) -> None:
        """Remove what did not become whole."""
        if self.part is not None:
            shutil.rmtree(self.part, ignore_errors=True)


def _entry(wanted: Wanted, folder: Path | None) -> Path:
    return (folder or default_cache_folder()) / wanted.name


class _NotKeptError(Exception):
    """There is nothing to take, or it is not whole."""


def _taken(
    entry: Path, wanted: Wanted, damaged: Damaged, form: type[F]
) -> tuple[list[Array], F, list[tuple[int, str]]]:
    """What is kept, and what was said of it; that without damaged files only where those are to be skipped."""
    try:
        about = json.loads((entry / ABOUT).read_text(encoding="utf-8"))
        arrays = [np.load(entry / name, mmap_mode="r", allow_pickle=False)[:rows] for name, rows in about["arrays"]]
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in about["form"].items()}
        made, said = form(**values), [(int(level), str(text)) for level, text in about["said"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _NotKeptError from error
    if not arrays or (damaged == "refuse" and len(arrays[0]) < wanted.count):
        raise _NotKeptError
    return arrays, made, said


def _sweep(folder: Path) -> None:
    """Remove what processes that have died left behind."""
    for part in folder.glob(f"*{PART}*"):
        with contextlib.suppress(OSError):
            if time.time() - max(file.stat().st_mtime for file in (part, *part.iterdir())) > STALE:
                shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _said() -> Iterator[list[tuple[int, str]]]:
    """What this thread logs in the meantime: level and text."""
    found: list[tuple[int, str]] = []
    thread = threading.get_ident()

    def note(record: logging.LogRecord) -> bool:
        if record.thread == thread:
            found.append((record.levelno, record.getMessage()))
        return True

    LOG.addFilter(note)
    try:
        yield found
    finally:
        LOG.removeFilter(note)
