"""The locks of a study's folder: several processes share its work, and none repeats that of another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


class Locks:
    """Locks in files. Each ends with the process that holds it at the latest.

    Args:
        folder: the folder of the files; it is created when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def acquire(self, name: str, wait: bool = True) -> FileLock:
        """Acquire the lock of a piece of the work.

        Raises:
            Timeout: without `wait`, another process holds it.
            OSError: the folder cannot be written to.
        """
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f"{name}.lock")
            with contextlib.suppress(FileNotFoundError):  # a process that has ended removes the folder
                lock.acquire(timeout=-1 if wait else 0)
                return lock

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Inside the block, this process holds a lock."""
        lock = self.acquire(name)
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def claim(self, name: str, wait: bool) -> Iterator[bool]:
        """Inside the block, whether this process holds a lock; with `wait`, as soon as no other process does."""
        try:
            lock = self.acquire(name, wait)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def remove(self, *names: str) -> None:
        """Remove the files of locks that no process needs any more; names may be patterns."""
        for name in names:
            for file in self.folder.glob(f"{name}.lock"):
                file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds other locks
            self.folder.rmdir()
