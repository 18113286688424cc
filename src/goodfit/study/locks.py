"""The locks of a study's folder: several processes share its work, and none repeats that of another."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

PROCESS = "process-"
"""Begins the name of the lock that a process holds as long as it trains fits."""


class Locks:
    """Locks in files. Each ends with the process that holds it at the latest.

    Args:
        folder: the folder of the files; it is created when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own: FileLock | None = None

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

    def alone(self) -> bool:
        """Whether no other process trains fits. From now on, other processes know that this one does.

        Raises:
            OSError: the folder cannot be written to.
        """
        if self._own is None:
            self._own = self.acquire(f"{PROCESS}{uuid.uuid4().hex}")
        others = [file for file in self.folder.glob(f"{PROCESS}*.lock") if file != Path(self._own.lock_file)]
        return not any(list(map(self._is_held, others)))

    def _is_held(self, file: Path) -> bool:
        """Whether a process holds the lock; that of a process that was killed is removed."""
        try:
            self.acquire(file.stem, wait=False).release()
        except Timeout:
            return True
        file.unlink(missing_ok=True)
        return False

    def leave(self) -> None:
        """This process trains no more fits."""
        if self._own is not None:
            self._own.release()
            Path(self._own.lock_file).unlink(missing_ok=True)
            self._own = None

    def remove(self, *names: str) -> None:
        """Remove the files of locks that no process needs any more; names may be patterns."""
        for name in names:
            for file in self.folder.glob(f"{name}.lock"):
                file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds other locks
            self.folder.rmdir()
