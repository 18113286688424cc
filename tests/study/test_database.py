import contextlib
import importlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import JournalStorage, RDBStorage

from goodfit.errors import InputError
from goodfit.study import database as module
from goodfit.study import optuna_storage
from goodfit.study.database import StudyDatabase, TrialRow

Rows = Callable[..., TrialRow]
Trials = Callable[..., list[Any]]


@pytest.fixture(params=["sqlite:///{}/study/study.db", "{}/study/study.journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "study").mkdir()
    return str(request.param).format(tmp_path)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine any attempt may be slow."""
    monkeypatch.setattr(module, "SLOW", 60.0)


@pytest.fixture
def lines() -> list[str]:
    """What the database says."""
    return []


@pytest.fixture
def open_database(url: str, lines: list[str]) -> Callable[..., StudyDatabase]:
    def open_(url: str = url, higher_is_better: bool = True) -> StudyDatabase:
        return StudyDatabase.open(url, "hand", higher_is_better, {"metric": "accuracy", "data": "iris"}, lines.append)

    return open_


@pytest.fixture
def many_rows(make_row: Rows) -> list[TrialRow]:
    """A finished trial, one with a failed fit, one that failed and a running one."""
    return [
        make_row("", [0.5, 0.6, 0.7, 0.8, 0.9]),
        make_row("l2=0.01", [0.5, None, 0.7, 0.8, 0.8]),
        make_row("l1=100.0", [None] * 5),
        make_row("dropout=0.5", [0.75, 0.7]),
    ]


def summary(trials: list[Any]) -> list[Any]:
    return [
        (t.user_attrs["label"], t.state.name.lower(), t.value and round(t.value, 9), t.intermediate_values)
        for t in trials
    ]


MANY = [
    ("plain", "complete", 0.7, {0: 0.5, 1: 0.6, 2: 0.7, 3: 0.8, 4: 0.9}),
    ("l2=0.01", "complete", 0.7, {0: 0.5, 2: 0.7, 3: 0.8, 4: 0.8}),
    ("l1=100.0", "fail", None, {}),
    ("dropout=0.5", "running", None, {0: 0.75, 1: 0.7}),
]


def test_rows_become_trials(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], read_trials: Trials,
    capfd: pytest.CaptureFixture[str], lines: list[str],
) -> None:  # fmt: skip
    database = open_database()
    database.sync(many_rows)
    trials = read_trials(url)
    assert summary(trials) == MANY
    assert trials[0].user_attrs == {"id": "id of ", "label": "plain", "recipe": ""}
    assert trials[1].user_attrs["failures"] == {"1": "the loss is not finite"}
    assert trials[1].params == {"techniques": 1, "l2": 0.01}
    assert lines == []
    assert capfd.readouterr() == ("", "")


def test_fits_are_added_one_by_one(
    url: str, open_database: Callable[..., StudyDatabase], make_row: Rows, read_trials: Trials
) -> None:
    database, values = open_database(), [0.5, None, 0.7, 0.8, 0.8]
    for count in range(6):
        rows = [make_row("l2=0.01", values[:count])]
        database.sync(rows)
        database.sync(rows)
        (trial,) = read_trials(url)
        assert trial.intermediate_values == {f: v for f, v in enumerate(values[:count]) if v is not None}
        assert trial.user_attrs.get("failures", {}) == ({"1": "the loss is not finite"} if count > 1 else {})
        assert trial.state.is_finished() == (count == 5)
    assert trial.value == pytest.approx(0.7)


def test_another_process_continues(
    url: str,
    open_database: Callable[..., StudyDatabase],
    many_rows: list[TrialRow],
    make_row: Rows,
    read_trials: Trials,
) -> None:
    open_database().sync([make_row("", [0.5]), make_row("dropout=0.5", [0.75])])
    open_database().sync(many_rows)
    assert sorted(summary(read_trials(url))) == sorted(MANY, key=lambda row: row[0])


def test_nothing_is_read_or_written_if_nothing_is_missing(
    open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database()
    database.sync(many_rows)
    monkeypatch.setattr(database, "_write", None)
    database.sync(many_rows)


def test_a_deleted_database_is_rebuilt(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], make_row: Rows,
    read_trials: Trials, lines: list[str],
) -> None:  # fmt: skip
    database = open_database()
    database.sync([*many_rows[:3], make_row("dropout=0.5", [0.75])])
    Path(url.removeprefix("sqlite:///")).unlink()
    database.sync(many_rows)
    assert summary(read_trials(url)) == MANY
    assert lines == []


def test_a_study_that_is_deleted_in_the_dashboard_is_rebuilt(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], read_trials: Trials
) -> None:
    database = open_database()
    database.sync(many_rows[:3])
    assert database._study is not None
    database._study.storage.delete_study(database._study.id)
    database.sync(many_rows)
    assert summary(read_trials(url)) == MANY


def test_a_deleted_folder_is_one_line_and_caught_up(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], read_trials: Trials,
    tmp_path: Path, lines: list[str], capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    database = open_database()
    database.sync(many_rows[:1])
    shutil.rmtree(tmp_path / "study")
    for count in (2, 3, 3):
        database.sync(many_rows[:count])
    assert lines == [
        f"study: the database {url} cannot be written (there is no such folder: '{tmp_path}/study'); the results are "
        "in files and it catches up when it can be reached"
    ]
    assert not (tmp_path / "study").exists()
    (tmp_path / "study").mkdir()
    database.sync(many_rows)
    assert summary(read_trials(url)) == MANY
    shutil.rmtree(tmp_path / "study")
    database.sync([TrialRow("new", "new", "", {}, {}, False)])
    assert len(lines) == 2  # a second time
    assert capfd.readouterr() == ("", "")


def test_garbage_is_one_line_and_caught_up(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], read_trials: Trials,
    lines: list[str],
) -> None:  # fmt: skip
    database, path = open_database(), Path(url.removeprefix("sqlite:///"))
    database.sync(many_rows[:1])
    path.write_bytes(b"garbage " * 5000)
    database.sync(many_rows[:2])
    database.sync(many_rows[:3])
    assert len(lines) == 1
    assert "cannot be written (" in lines[0]
    assert "\n" not in lines[0]
    assert path.read_bytes() == b"garbage " * 5000
    path.unlink()
    database.sync(many_rows)
    assert summary(read_trials(url)) == MANY


@pytest.mark.parametrize(
    "error", [StorageInternalError("gone"), OSError(28, "No space left on device"), AssertionError()]
)
def test_errors_of_the_storage(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], make_row: Rows,
    read_trials: Trials, lines: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception,
) -> None:  # fmt: skip
    def fail(*arguments: Any) -> None:
        raise error

    database = open_database()
    database.sync([make_row("dropout=0.5", [0.75])])
    with monkeypatch.context() as patch:
        for storage in (RDBStorage, JournalStorage):
            patch.setattr(storage, "set_trial_intermediate_value", fail)
        database.sync([*many_rows])
        database.sync([*many_rows])
    assert len(lines) == 1
    database.sync(many_rows)
    assert sorted(summary(read_trials(url))) == sorted(MANY, key=lambda row: row[0])


def test_a_lost_connection_is_opened_again(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], read_trials: Trials,
    lines: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    database, left = open_database(), [1]
    study = database._study
    real = study.storage.create_new_trial

    def fail_once(*arguments: Any) -> Any:
        if left:
            left.pop()
            raise StorageInternalError("server closed the connection unexpectedly")
        return real(*arguments)

    monkeypatch.setattr(study.storage, "create_new_trial", fail_once)
    database.sync(many_rows)
    assert database._study is not study
    assert lines == []
    assert summary(read_trials(url)) == MANY


def test_an_interrupt_leaves_no_duplicates(
    url: str, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], read_trials: Trials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    database = open_database()
    real = database._study.storage.create_new_trial

    def create_and_interrupt(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(database._study.storage, "create_new_trial", create_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        database.sync(many_rows)
    database.sync(many_rows)
    assert summary(read_trials(url)) == MANY


def test_a_locked_database_is_not_waited_for_every_time(
    tmp_path: Path, open_database: Callable[..., StudyDatabase], many_rows: list[TrialRow], read_trials: Trials,
    lines: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(optuna_storage, "SECONDS_TO_WAIT", 0.05)
    monkeypatch.setattr(module, "SLOW", 0.01)
    monkeypatch.setattr(module, "PAUSE", 1e6)
    url = f"sqlite:///{tmp_path}/study/study.db"
    database = open_database(url)
    with contextlib.closing(sqlite3.connect(tmp_path / "study/study.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        database.sync(many_rows)
        assert lines == [line for line in lines if "(database is locked)" in line]
        assert len(lines) == 1
        with monkeypatch.context() as patch:
            patch.setattr(database, "_write", None)
            database.sync(many_rows)  # nothing is tried
    database.sync(many_rows, last=True)
    assert summary(read_trials(url)) == MANY


SCRIPT = """
import sys, time
from pathlib import Path
from goodfit.study.database import StudyDatabase, TrialRow
folder, number, *urls = sys.argv[1:]
Path(folder, number).touch()
while len(list(Path(folder).iterdir())) < 2: time.sleep(0.001)
for url in urls:
    database = StudyDatabase.open(url, "hand", True, {}, print)
    for count in range(1, 6):
        values = dict.fromkeys(range(count), 0.5)
        for last in range(1, 9):
            database.sync([TrialRow(str(i), f"l2={i}", f"l2={i}", values, {}, count == 5) for i in range(last)])
"""


def test_processes_create_each_trial_once(tmp_path: Path, read_trials: Trials) -> None:
    (tmp_path / "ready").mkdir()
    urls = [f"sqlite:///{tmp_path}/study.db", f"{tmp_path}/study.journal"]
    arguments = [[sys.executable, "-W", "error", "-c", SCRIPT, f"{tmp_path}/ready", str(n), *urls] for n in range(2)]
    processes = [subprocess.Popen(a, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for a in arguments]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    for url in urls:
        trials = read_trials(url)
        assert sorted(t.user_attrs["id"] for t in trials) == [str(i) for i in range(8)]
        assert {(t.state.name, t.value, len(t.intermediate_values)) for t in trials} == {("COMPLETE", 0.5, 5)}


def test_sync_is_cheap(open_database: Callable[..., StudyDatabase], make_row: Rows) -> None:
    database, times = open_database(), []
    counts = [0] * 20
    for fit in range(100):
        counts[fit % 20] += 1
        rows = [make_row(f"l2=0.{i + 1}", [0.5] * count) for i, count in enumerate(counts)]
        started = time.process_time()
        database.sync(rows)
        times.append(time.process_time() - started)
    assert sorted(times)[50] < 0.03  # seconds of the processor, which do not depend on other processes


def test_direction_of_an_existing_study(url: str, open_database: Callable[..., StudyDatabase]) -> None:
    open_database()
    with pytest.raises(InputError) as caught:
        open_database(higher_is_better=False)
    path = url.removeprefix("sqlite:///")
    assert str(caught.value) == (
        f"database: the direction of the study 'hand' must be minimize, got maximize in '{url}'; delete {path} if it "
        "has only studies of goodfit, which are rebuilt from the stored fits, or name another database with --storage."
    )


def test_errors_at_open_name_the_remedy(tmp_path: Path, open_database: Callable[..., StudyDatabase]) -> None:
    (tmp_path / "notes").write_bytes(b"not a database, but text " * 100)
    for url in (f"sqlite:///{tmp_path}/notes", f"{tmp_path}/missing/study.log", "nothing://x", "sqlite:////proc/x.db"):
        with pytest.raises(InputError, match=r"^database: .*(--storage|correct it)\.$"):
            open_database(url)


def test_a_server_is_tried_twice_at_open(
    url: str, open_database: Callable[..., StudyDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = importlib.import_module("goodfit.study.stored_study")
    real, errors = home.open_storage, [StorageInternalError("table studies already exists")]

    def open_(address: Any) -> Any:
        if errors:
            raise errors.pop()
        return real(optuna_storage.StorageAddress.of(url))

    monkeypatch.setattr(module, "SECONDS_TO_RETRY", 0)
    monkeypatch.setattr(home, "open_storage", open_)
    open_database("postgresql://user:secret@host/studies")
    errors += [StorageInternalError("could not connect\nmore")] * 2
    with pytest.raises(InputError) as caught:
        open_database("postgresql://user:secret@host/studies")
    assert str(caught.value) == (
        "database: the server must be reachable and the database writable, got "
        "'postgresql://user:***@host/studies' (could not connect); start it, or name another database with --storage."
    )


def test_goodfit_imports_optuna_only_here() -> None:
    code = "import sys, goodfit, goodfit.study, goodfit.cli; goodfit.run_study; print('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


# ---- the dashboard -----------------------------------------------------------------------------


def get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return json.loads(response.read())


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if result := condition():
                return result
        assert time.monotonic() < end, "the dashboard does not show it"
        time.sleep(0.05)


@pytest.fixture
def dashboard(url: str, open_database: Callable[..., StudyDatabase]) -> Iterator[int]:
    """The port of optuna-dashboard, which shows the database."""
    open_database()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(sys.executable).with_name("optuna-dashboard")
    with subprocess.Popen(
        [script, url, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if "proxy" not in k.lower()},
    ) as process:
        try:
            yield port
        finally:
            process.kill()


def shown(port: int, study: int) -> list[Any]:
    """Label, state, value and intermediate values of each trial in the dashboard."""
    rows = []
    for trial in get(port, f"/api/studies/{study}")["trials"]:
        attributes = {a["key"]: a["value"] for a in trial["user_attrs"]}
        folds = {v["step"]: v["value"] for v in trial["intermediate_values"]}
        mean = round(trial["values"][0], 9) if trial.get("values") else None
        rows.append((attributes["label"], trial["state"].lower(), mean, folds))
    return rows


def test_dashboard_shows_a_running_study(
    dashboard: int, open_database: Callable[..., StudyDatabase], make_row: Rows, many_rows: list[TrialRow]
) -> None:
    (study,) = wait_for(lambda: get(dashboard, "/api/studies"))["study_summaries"]
    assert (study["study_name"], study["directions"]) == ("hand", ["maximize"])
    assert {a["key"]: a["value"] for a in study["user_attrs"]} == {"metric": "accuracy", "data": "iris"}
    number, database = study["study_id"], open_database()
    database.sync([make_row("", [0.5, 0.6])])
    wait_for(lambda: shown(dashboard, number) == [("plain", "running", None, {0: 0.5, 1: 0.6})])
    database.sync(many_rows)
    wait_for(lambda: shown(dashboard, number) == MANY)
    details = get(dashboard, f"/api/studies/{number}")
    assert details["objective_names"] == ["accuracy"]
    assert details["has_intermediate_values"]
    assert {p["name"] for p in details["union_search_space"]} >= {"techniques", "l2", "dropout"}
