"""A study in a database of Optuna, so that optuna-dashboard shows it while it runs.

The files of a study are the record. The database follows from them: it may be lost at any moment, and is rebuilt.
Importing this module imports Optuna, so other modules import it where they need it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.study import StudyDirection

from goodfit.errors import InputError
from goodfit.study.optuna_storage import StorageAddress, explain, lock_file, locked, quiet, reason
from goodfit.study.stored_study import StoredStudy, StudyHeader, TrialRow

__all__ = ["StudyDatabase", "TrialRow"]

SLOW = 1.0
"""After an attempt that takes more seconds than this and fails, the next one waits for `PAUSE` times as long."""
PAUSE = 10
SECONDS_TO_RETRY = 1.0
"""Another process may be creating the tables on a server."""


class StudyDatabase:
    """A database that follows a study. Several processes can write the same study.

    Each of them writes what is missing, so it does not matter which one is first. On a server two processes may create
    a trial twice; in a file a lock prevents it.
    """

    def __init__(self, address: StorageAddress, header: StudyHeader, say: Callable[[str], None]) -> None:
        self._address, self._header, self._say = address, header, say
        self._study: StoredStudy | None = None  # None: not connected
        self._failing = False
        self._next_attempt = 0.0

    @classmethod
    def open(
        cls,
        url: str,
        name: str,
        higher_is_better: bool,
        attributes: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> StudyDatabase:
        """Open a database and create the study in it if there is none of this name.

        Args:
            url: a database URL such as `sqlite:///study.db` or `postgresql://user:password@host/name`, or else the path
                of a journal file, as optuna-dashboard reads it.
            name: the name of the study.
            higher_is_better: whether a higher metric is better.
            attributes: what the dashboard shows about the study, as values for JSON; "metric" names its plots.
            say: prints a line for the user.

        Raises:
            InputError: the database cannot be opened, is no database of this Optuna, or has a study of this name with
                another direction.
        """
        direction = StudyDirection.MAXIMIZE if higher_is_better else StudyDirection.MINIMIZE
        database = cls(StorageAddress.of(url), StudyHeader(name, direction, attributes), say)
        try:
            database._first_attempt()
        except Exception as error:  # drivers raise errors of any type
            raise explain(error, database._address) from error
        return database

    def _first_attempt(self) -> None:
        try:
            self._write([])
        except Exception as error:
            if isinstance(error, InputError) or self._address.path is not None:
                raise
            time.sleep(SECONDS_TO_RETRY)
            self._write([])

    def sync(self, trials: Sequence[TrialRow], last: bool = False) -> None:
        """Write what the database lacks. It never raises an error of the database; `say` is called once instead.

        A later call writes what is missing by then. A database that is slow to fail costs at most a tenth of the time.

        Args:
            trials: all rows of the study so far.
            last: no later call follows, so it tries even if the last attempt was slow.
        """
        started = time.monotonic()
        if not last and started < self._next_attempt:
            return
        try:
            self._write_or_reconnect(trials)
        except Exception as error:  # noqa: BLE001 - drivers raise errors of any type, and the study must continue
            self._report(error)
            seconds = time.monotonic() - started
            self._next_attempt = time.monotonic() + PAUSE * seconds if seconds > SLOW else 0.0
        else:
            self._failing = False

    def remove_lock(self) -> None:
        """Remove the lock file of a study that is complete: there is nothing left to write."""
        if self._address.path is not None:
            lock_file(self._address.path).unlink(missing_ok=True)

    def _report(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            why = reason(error).rstrip(".")
            self._say(
                f"study: the database {self._address.shown} cannot be written ({why}); the results are in files and it "
                "catches up when it can be reached"
            )

    def _write_or_reconnect(self, trials: Sequence[TrialRow]) -> None:
        if self._study is None:
            self._write(trials)
        elif self._study.lacks(trials):
            try:
                self._write(trials)
            except Exception:  # noqa: BLE001 - a server that was restarted or a file that was deleted needs no message
                self._write(trials)

    def _write(self, trials: Sequence[TrialRow]) -> None:
        """Connect if needed, and write. After an error it is unknown what is stored, so it is read again."""
        with quiet(), locked(self._address):
            try:
                if self._study is None:
                    self._study = StoredStudy(self._address, self._header)
                self._study.write(trials)
            except BaseException:
                self._study = None
                raise
