"""Decoded files that are kept in a folder, so that the next load need not decode them again."""

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
from filelock import FileLock

from goodfit.data.reading.listing import LOG
from goodfit.data.storage import default_cache_folder, is_large, reserve_space, writing_to
from goodfit.errors import InputError
from goodfit.types import Array

F = TypeVar("F")
Allocate: TypeAlias = Callable[[tuple[int, ...], npt.DTypeLike], Array]
"""Shape and dtype → an array of zeros to decode into."""
Logged: TypeAlias = tuple[int, str]
"""The level and the text of a logged warning."""
VERSION = 2
ABOUT = "about.json"
LOCK = ".lock"
"""The file of a cache folder that a process locks while it puts an entry in place and opens it."""
PART = ".part-"
"""Part of the name of a folder that is not yet complete."""
STALE = 86_400.0
"""Seconds without a change after which an incomplete folder is removed: the process that wrote it has ended."""


@dataclass(frozen=True)
class Source:
    """The files that are decoded, and all settings on which the decoded arrays depend.

    `count` is the number of rows if no file is damaged.
    """

    root: Path
    files: Sequence[Path]
    settings: tuple[object, ...]
    count: int

    @property
    def name(self) -> str:
        """A name that changes with the settings, and with the names, sizes and times of the files."""
        digest = blake2b(repr((VERSION, str(self.root), self.settings)).encode(), digest_size=12)
        for file in self.files:
            with contextlib.suppress(OSError):  # decoding reports what is wrong
                status = file.stat()
                about = (str(file.relative_to(self.root)), status.st_size, status.st_mtime_ns)
                digest.update(repr(about).encode())
        return f"{self.root.name}-{digest.hexdigest()}"


def decode_cached(
    source: Source,
    folder: Path | None,
    damaged: str,
    form: type[F],
    decode: Callable[[Allocate], tuple[list[Array], F]],
) -> tuple[list[Array], F]:
    """The arrays and the form that `decode` returns, from the cache where they are kept; logged warnings are repeated.

    Arrays are kept in files where `folder` is given, or where they do not fit into memory (then in
    `goodfit.data.storage.default_cache_folder()`). An entry appears when it is complete; it may be removed at any time.

    Args:
        source: what is decoded.
        folder: the cache, or None.
        damaged: "refuse" or "skip"; an entry without damaged files is used only for "skip".
        form: a dataclass of plain values.
        decode: decodes into the arrays that the function passed to it allocates.

    Raises:
        InputError: the folder cannot be written, or the disk is full; and the errors of `decode`.
    """
    with contextlib.suppress(_NotCachedError, InputError):  # there may be no default cache folder
        arrays, value, logged = _read_entry(_entry(source, folder), source, damaged, form)
        for level, text in logged:
            LOG.log(level, "%s", text)
        return arrays, value
    writer = _EntryWriter(source, folder)
    try:
        with _capture_log() as logged:
            arrays, value = decode(writer.allocate)
        if not writer.names:
            return arrays, value
        about = {"form": dataclasses.asdict(value), "logged": logged}  # type: ignore[call-overload]
        writer.write(arrays, about)
        entry = _entry(source, folder)
        with FileLock(entry.with_name(LOCK)):
            try:  # another process may have put the same entry in place
                return _read_entry(entry, source, damaged, form)[:2]
            except _NotCachedError:
                writer.move_into_place()
            return _read_entry(entry, source, damaged, form)[:2]
    except _NotCachedError as error:
        raise InputError(f"cache: the entry '{entry}' cannot be read; remove it and load again.") from error
    finally:
        writer.clean_up()


def compact_rows(x: Array, rows: Sequence[int]) -> Array:
    """The given rows of x in their order, moved to its front: x itself is overwritten.

    >>> compact_rows(np.array([[1], [2], [3]]), [0, 2]).tolist()
    [[1], [3]]
    """
    for to, at in enumerate(rows):
        if to != at:
            x[to] = x[at]
    return x[: len(rows)]


@dataclass
class _EntryWriter:
    """Creates an entry of the cache in a folder that gets its final name when it is complete."""

    source: Source
    folder: Path | None
    names: dict[int, str] = field(default_factory=dict)  # address of an array's data → the name of its file
    part: Path | None = None

    def allocate(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array of zeros, in a file where there is a cache or where it is large."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if not size or (self.folder is None and not is_large(size)):
            return np.zeros(shape, dtype)
        entry = _entry(self.source, self.folder)
        with writing_to(entry.parent, size):
            if self.part is None:
                _remove_stale(entry.parent)
                self.part = entry.with_name(f"{entry.name}{PART}{os.getpid()}-{threading.get_ident()}")
                self.part.mkdir()
            path = self.part / f"{len(self.names)}.npy"
            array = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
            with path.open("r+b") as file:
                reserve_space(file, self.part, path.stat().st_size)
        self.names[array.ctypes.data] = path.name
        return array

    def write(self, arrays: list[Array], about: dict[str, Any]) -> None:
        """Write what is not yet in files; the list of arrays is emptied."""
        part = self.part
        assert part is not None
        with writing_to(part.parent, sum(x.nbytes for x in arrays)):
            files = [self._write(part, number, x) for number, x in enumerate(arrays)]
            text = json.dumps({"version": VERSION, "root": str(self.source.root), "arrays": files, **about}, indent=1)
            (part / ABOUT).write_text(text, encoding="utf-8")
            arrays.clear()  # some systems cannot rename a folder whose files are open

    def move_into_place(self) -> None:
        """Give the folder its final name, instead of an entry that cannot be read."""
        entry, part = _entry(self.source, self.folder), self.part
        assert part is not None
        with writing_to(entry.parent, 0):
            shutil.rmtree(entry, ignore_errors=True)
            part.replace(entry)
        if self.folder is None:
            size = sum(file.stat().st_size for file in entry.iterdir())
            LOG.warning("load: '%s' is large and is kept decoded in '%s' (%.3g GB), which may be removed at any time",
                        self.source.root.name, entry, size / 1e9)  # fmt: skip

    def _write(self, part: Path, number: int, x: Array) -> tuple[str, int]:
        """The name of an array's file, and how many of its rows are used."""
        name = self.names.get(x.ctypes.data)
        if name is None:
            name = f"memory {number}.npy"
            np.save(part / name, x, allow_pickle=False)
        elif isinstance(x, np.memmap):
            x.flush()
        return name, len(x)

    def clean_up(self) -> None:
        """Remove an incomplete folder."""
        if self.part is not None:
            shutil.rmtree(self.part, ignore_errors=True)


def _entry(source: Source, folder: Path | None) -> Path:
    return (folder or default_cache_folder()) / source.name


class _NotCachedError(Exception):
    """There is no entry, or it is incomplete."""


def _read_entry(entry: Path, source: Source, damaged: str, form: type[F]) -> tuple[list[Array], F, list[Logged]]:
    """The arrays, the form and the logged warnings of an entry; one with rows left out only where damaged="skip"."""
    try:
        about = json.loads((entry / ABOUT).read_text(encoding="utf-8"))
        arrays = [np.load(entry / name, mmap_mode="r", allow_pickle=False)[:rows] for name, rows in about["arrays"]]
        values = {name: tuple(v) if isinstance(v, list) else v for name, v in about["form"].items()}
        value, logged = form(**values), [(int(level), str(text)) for level, text in about["logged"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _NotCachedError from error
    if not arrays or (damaged == "refuse" and len(arrays[0]) < source.count):
        raise _NotCachedError
    return arrays, value, logged


def _remove_stale(folder: Path) -> None:
    """Remove incomplete folders of processes that have ended."""
    for part in folder.glob(f"*{PART}*"):
        with contextlib.suppress(OSError):
            if time.time() - max(file.stat().st_mtime for file in (part, *part.iterdir())) > STALE:
                shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _capture_log() -> Iterator[list[Logged]]:
    """A list to which the warnings that this thread logs are added."""
    logged: list[Logged] = []
    thread = threading.get_ident()

    def note(record: logging.LogRecord) -> bool:
        if record.thread == thread:
            logged.append((record.levelno, record.getMessage()))
        return True

    LOG.addFilter(note)
    try:
        yield logged
    finally:
        LOG.removeFilter(note)
