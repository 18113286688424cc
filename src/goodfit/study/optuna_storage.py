"""Open an Optuna storage: a database by its URL, or a journal file by its path."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from goodfit.errors import InputError, first_line

SECONDS_TO_WAIT = 3
"""How long a database may take to accept a connection, or another process may keep it locked."""
TIMEOUTS = {
    "pysqlite": "timeout", "psycopg2": "connect_timeout", "psycopg": "connect_timeout", "mysqldb": "connect_timeout",
    "pymysql": "connect_timeout", "mysqlconnector": "connection_timeout",
}  # fmt: skip
"""Driver → its argument for `SECONDS_TO_WAIT`. Without it, an unreachable server blocks for minutes."""
PACKAGES = {
    "MySQLdb": "mysqlclient", "mysql": "mysql-connector-python", "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
}  # fmt: skip
"""Module of a driver → the package that has it, where the names differ."""
LOGGERS = ("optuna", "alembic", "sqlalchemy.pool")
SQLITE_HEADER = b"SQLite format 3\x00"
ANOTHER = "name another database with --storage"


@dataclass(frozen=True)
class StorageAddress:
    """Where a storage is.

    Attributes:
        text: the URL of a database, or the path of a journal file.
        shown: the text without a password, for messages.
        path: the file of SQLite or of the journal; None for a server.
    """

    text: str
    shown: str
    path: Path | None

    @classmethod
    def of(cls, text: str) -> StorageAddress:
        """Return the address in a text, by the rule of optuna-dashboard: without "://" it is the path of a journal.

        Raises:
            InputError: the URL cannot be parsed, or is a SQLite database in memory.
        """
        if "://" not in text:
            return cls(text, text, Path(text).absolute())
        url = _parse(text)
        shown = url.render_as_string(hide_password=True) if url.password else text
        return cls(text, shown, _sqlite_path(url, shown))

    @property
    def is_journal(self) -> bool:
        """Whether it is a journal file."""
        return "://" not in self.text

    @property
    def remedy(self) -> str:
        """What helps if its content is not usable."""
        if self.path is None:
            return ANOTHER
        rebuilt = "if it has only studies of goodfit, which are rebuilt from the stored fits"
        return f"delete {self.path} {rebuilt}, or {ANOTHER}"


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file, which optuna-dashboard reads too, whatever characters the path has.

    >>> sqlite_url(Path("study.db"))
    'sqlite:///study.db'
    """
    return URL.create("sqlite", database=str(path)).render_as_string()


def _parse(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        shown = re.sub("://[^@]*@", "://…@", text)
        raise InputError(
            f"database: the URL must have the form sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, "
            f"got '{shown}'; correct it, or give the path of a journal file."
        ) from error


def _sqlite_path(url: URL, shown: str) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    if url.database in (None, "", ":memory:"):
        raise InputError(
            f"database: a SQLite database must be a file, which other processes can read, got '{shown}'; "
            "use sqlite:///study.db."
        )
    return Path(str(url.database).removeprefix("file:")).absolute()


def open_storage(address: StorageAddress) -> BaseStorage:
    """Open a storage, and create it if there is none.

    Raises:
        InputError: the path is that of another file, which must not be written.
        Exception: the storage cannot be opened, for any reason that Optuna, SQLAlchemy or the driver has;
            `explain` translates it.
    """
    if address.is_journal:
        _check_journal(address)
        lock = JournalFileOpenLock(address.text) if os.name == "nt" else None  # links need a privilege on Windows
        return JournalStorage(JournalFileBackend(address.text, lock_obj=lock))
    url = make_url(address.text)
    argument = TIMEOUTS.get(url.get_driver_name())
    limit = {argument: SECONDS_TO_WAIT} if argument and argument not in url.query else {}
    text = address.text.replace("{", "{{").replace("}", "}}")  # Optuna formats the URL as a template
    # No connection stays open between uses: forked processes would share it, a server may restart, and a SQLite file
    # that was deleted would still be written to.
    return RDBStorage(text, engine_kwargs={"connect_args": limit, "poolclass": NullPool})


def _check_journal(address: StorageAddress) -> None:
    """Check that an existing file is a journal: Optuna would append to any file."""
    path = Path(address.text)
    if not path.exists():
        return
    with path.open("rb") as file:
        line = file.readline(100_000)
    if line.startswith(SQLITE_HEADER):
        raise InputError(
            f"database: a SQLite database must be given by its URL, got its path '{path}'; use sqlite:///{path}."
        )
    if line and not _is_entry(line):
        raise InputError(
            f"database: '{path}' must be a journal file of Optuna, but begins with {line[:20]!r}; "
            "give a URL such as sqlite:///study.db, or the path of a new file."
        )


def _is_entry(line: bytes) -> bool:
    try:
        return "op_code" in dict(json.loads(line))
    except (ValueError, TypeError):
        return False


def lock_file(path: Path) -> Path:
    """The lock of a database in a file; `….lock` is that of a journal, for each entry."""
    return Path(f"{path}.sync.lock")


@contextmanager
def locked(address: StorageAddress) -> Iterator[None]:
    """Keep other processes of goodfit from a file meanwhile, so that none creates a trial twice. A server has no lock.

    Raises:
        OSError: there is no such folder, it cannot be written, or another process does not release the lock in time.
    """
    if address.path is None:
        yield
        return
    if not address.path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(address.path.parent))
    file = lock_file(address.path)
    file.touch()  # FileLock would try until the timeout where no file can be created
    with FileLock(file, timeout=SECONDS_TO_WAIT, poll_interval=0.01):
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the messages of Optuna and SQLAlchemy: errors are raised as well, the rest is of no use to users."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def reason(error: BaseException) -> str:
    """Return the first line of the error of the driver, which Optuna and SQLAlchemy wrap.

    >>> reason(FileNotFoundError(2, "there is no such folder", "/data"))
    "there is no such folder: '/data'"
    """
    while error.__cause__ is not None and not isinstance(error, InputError):
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": '{error.filename}'" if error.filename else "")
    return first_line(error)


def explain(error: Exception, address: StorageAddress) -> InputError:
    """Return the message for an error of `open_storage` or of a storage."""
    if isinstance(error, InputError):
        return error
    rule, remedy = _rule_and_remedy(error, address)
    return InputError(f"database: {rule}, got '{address.shown}' ({reason(error)}); {remedy}.")


def _rule_and_remedy(error: Exception, address: StorageAddress) -> tuple[str, str]:
    cause: Any = error.__cause__ or error
    if isinstance(error, NoSuchModuleError):
        return "the URL must begin with a database that SQLAlchemy knows, such as sqlite or postgresql", "correct it"
    if isinstance(error, ImportError):
        package = PACKAGES.get(getattr(cause, "name", None) or "", getattr(cause, "name", None) or "of its driver")
        return "the driver of the database must be installed", f"install the package {package}, or {ANOTHER}"
    if type(error) is RuntimeError:  # Optuna's only error about tables of another version
        upgrade = "" if address.path else "run `optuna storage upgrade --storage URL`, or "
        return f"the database must be one of this Optuna ({optuna.__version__})", upgrade + address.remedy
    if "disk is full" in reason(error) or "No space left" in reason(error):
        return "there must be space on the disk", f"free some, or {ANOTHER}"
    if address.path is None:
        return "the server must be reachable and the database writable", f"start it, or {ANOTHER}"
    if isinstance(error, TimeoutError) or "locked" in reason(error):
        return "the database must not be locked by another process", f"end that process, or {ANOTHER}"
    if isinstance(error, OSError) or "unable to open" in reason(error):
        return "the folder of the database must exist and be writable", f"create it, or {ANOTHER}"
    if type(cause) is sqlite3.DatabaseError or isinstance(error, ValueError | AssertionError | LookupError):
        return "the file must be a database of Optuna", address.remedy
    return "the database must be writable", address.remedy
