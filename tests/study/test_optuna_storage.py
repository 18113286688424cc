import logging
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from sqlalchemy.pool import NullPool

from goodfit.errors import InputError
from goodfit.study import optuna_storage
from goodfit.study.optuna_storage import StorageAddress, explain, locked, open_storage, quiet, reason, sqlite_url


def message_of(url: str) -> str:
    """The message with which a storage is refused; it must be one line and hide the password."""
    with pytest.raises(InputError) as caught:  # noqa: PT012
        address = StorageAddress.of(url)
        try:
            with quiet(), locked(address):
                open_storage(address)
        except Exception as error:
            raise explain(error, address) from error
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("database: ")
    assert "secret" not in message
    return message


def test_address_is_read_as_by_optuna_dashboard(tmp_path: Path) -> None:
    assert StorageAddress.of("study.log").is_journal
    assert StorageAddress.of("study.log").path == Path("study.log").absolute()
    sqlite = StorageAddress.of(f"sqlite:///{tmp_path}/study.db")
    assert (sqlite.is_journal, sqlite.path) == (False, tmp_path / "study.db")
    server = StorageAddress.of("postgresql://user:secret@host:5432/studies")
    assert (server.path, server.shown) == (None, "postgresql://user:***@host:5432/studies")


@pytest.mark.parametrize("name", ["study.db", "with space.db", "{braces}.db", "100%.db"])
def test_file_is_created(tmp_path: Path, name: str) -> None:
    for url in (sqlite_url(tmp_path / name), f"{tmp_path}/{name}.log"):
        with quiet():
            open_storage(StorageAddress.of(url))
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.log"}
    (tmp_path / name).unlink()
    with quiet():
        open_storage(StorageAddress.of(f"sqlite:///{tmp_path}/{name}"))
    assert (tmp_path / name).is_file()


def test_no_connection_stays_open(tmp_path: Path) -> None:
    with quiet():
        storage = open_storage(StorageAddress.of(f"sqlite:///{tmp_path}/study.db"))
    assert isinstance(storage, optuna.storages.RDBStorage)
    assert isinstance(storage.engine.pool, NullPool)


@pytest.mark.parametrize("url", ["postgresql://u:secret@host:port/x", "://secret@x"])
def test_url_that_cannot_be_parsed(url: str) -> None:
    assert "the URL must have the form sqlite:///FILE or" in message_of(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_sqlite_in_memory(url: str) -> None:
    assert f"must be a file, which other processes can read, got '{url}'" in message_of(url)


def test_unknown_database() -> None:
    message = message_of("nothing://u:secret@host/x")
    assert "begin with a database that SQLAlchemy knows" in message
    assert "got 'nothing://u:***@host/x'" in message


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("postgresql+psycopg2://u:secret@host/x", "psycopg2", "psycopg2-binary"),
        ("postgresql+psycopg://u:secret@host/x", "psycopg", "psycopg[binary]"),
        ("mysql://u:secret@host/x", "MySQLdb", "mysqlclient"),
        ("mysql+pymysql://u:secret@host/x", "pymysql", "pymysql"),
    ],
)
def test_missing_driver(url: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    message = message_of(url)
    assert f"install the package {package}, or name another database with --storage." in message


def test_missing_folder_is_not_created(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/missing/study.db", f"{tmp_path}/missing/study.log"):
        message = message_of(url)
        assert "the folder of the database must exist and be writable" in message
        assert f"there is no such folder: '{tmp_path}/missing'" in message
    assert not (tmp_path / "missing").exists()


def test_folder_that_is_not_writable() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a folder in which root cannot create files")
    for url in ("sqlite:////proc/study.db", "/proc/study.log"):
        assert "the folder of the database must exist and be writable" in message_of(url)


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}", str(tmp_path)):
        assert "the folder of the database must exist" in message_of(url)


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("one line of text, longer than the header of a database\n" * 100)
    content = path.read_bytes()
    message = message_of(f"sqlite:///{path}")
    assert "the file must be a database of Optuna" in message
    assert "(file is not a database); " in message
    assert (
        f"delete {path} if it has only studies of goodfit, which are rebuilt from the stored fits, or name" in message
    )
    assert "must be a journal file of Optuna, but begins with b'one line" in message_of(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"[1, 2]\n", b"3", b"{}\n", b"\xff\xfe"])
def test_file_that_is_no_journal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    assert "must be a journal file of Optuna" in message_of(f"{tmp_path}/other")
    assert (tmp_path / "other").read_bytes() == content


def test_damaged_journal(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    path.write_text('{"op_code":0,"worker_id":"a","study_name":"s","directions":[1]}\nnot JSON\nnot JSON\n')
    message = message_of(str(path))
    assert "the file must be a database of Optuna" in message
    assert f"delete {path}" in message


def test_path_of_a_sqlite_database(tmp_path: Path) -> None:
    with quiet():
        open_storage(StorageAddress.of(f"sqlite:///{tmp_path}/study.db"))
    assert f"use sqlite:///{tmp_path}/study.db." in message_of(f"{tmp_path}/study.db")


def test_database_of_another_optuna(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with quiet():
        open_storage(StorageAddress.of(f"sqlite:///{path}"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    connection.close()
    message = message_of(f"sqlite:///{path}")
    assert f"must be one of this Optuna ({optuna.__version__})" in message
    assert "no longer compatible with the table schema" in message
    assert f"; delete {path} if it has only studies of goodfit" in message


def test_remedies_for_a_server() -> None:
    address = StorageAddress.of("postgresql://u:secret@host/x")
    assert "run `optuna storage upgrade --storage URL`, or name another" in str(explain(RuntimeError("old"), address))
    refused = str(explain(OSError("connection refused"), address))
    assert "the server must be reachable and the database writable, got" in refused
    assert "(connection refused); start it, or name another database with --storage." in refused


HOLD = """
import sys, filelock
with filelock.FileLock(sys.argv[1]):
    print(flush=True)
    input()
"""


def test_a_file_is_locked_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna_storage, "SECONDS_TO_WAIT", 0.05)
    for url in (f"sqlite:///{tmp_path}/study.db", f"{tmp_path}/study.log"):
        path = url.removeprefix("sqlite:///")
        command = [sys.executable, "-c", HOLD, f"{path}.sync.lock"]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        assert "must not be locked by another process" in message_of(url)
        holder.kill()
        holder.communicate()
        with locked(StorageAddress.of(url)):
            pass  # the lock ends with its process


def test_a_server_has_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with locked(StorageAddress.of("postgresql://host/x")):
        assert not list(tmp_path.iterdir())


def test_the_lock_is_not_that_of_the_journal(tmp_path: Path) -> None:
    with FileLock(f"{tmp_path}/study.log.sync.lock"):
        open_storage(StorageAddress.of(f"{tmp_path}/study.log")).create_new_study(
            [optuna.study.StudyDirection.MINIMIZE]
        )


def test_reason_is_that_of_the_driver() -> None:
    error = optuna.exceptions.StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = sqlite3.OperationalError("database is locked\nmore")
    assert reason(error) == "database is locked"
    assert reason(AssertionError()) == "AssertionError"


def test_quiet_suppresses_and_restores(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("optuna").level
    with quiet():
        warnings.warn("experimental", optuna.exceptions.ExperimentalWarning, stacklevel=1)
        optuna.create_study(study_name="s")
        logging.getLogger("sqlalchemy.pool").error("lost")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("optuna").level == level
