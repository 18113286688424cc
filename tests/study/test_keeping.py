"""Where a study keeps its fits: a full disk costs none of them."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from goodfit.data import Dataset
from goodfit.study import Protocol, Study, load_study, run_study
from goodfit.study.candidates import Candidate
from goodfit.study.design import design
from goodfit.study.files import StudyFolder
from goodfit.study.fits import Fit
from goodfit.study.keeping import PAUSE, Folder, Memory
from goodfit.train.config import Training

RowsOf = Callable[[Study], list[dict[str, Any]]]
RECIPES = ["l2=1e-2"]
SAID = "study: fits are not saved for now ([Errno 28] No space left on device); the study goes on"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[int]], list[str]]:
    """Let the n-th attempts to write a fit fail; returns the log of attempts."""

    def fill(numbers: Sequence[int]) -> list[str]:
        log: list[str] = []
        real = StudyFolder.write

        def write(self: StudyFolder, definition: Any, fit: Fit, run: Any = None) -> None:
            name = f"{fit.label} {fit.fold}"
            failed = len(log) in numbers
            log.append(f"{name} failed" if failed else name)
            if failed:
                raise OSError(28, "No space left on device")
            real(self, definition, fit, run)

        monkeypatch.setattr(StudyFolder, "write", write)
        return log

    return fill


def messages(study: Study) -> list[str]:
    return [message for message in study.messages if "saved" in message]


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ([0], ["plain 0 failed", "plain 0", "l2=0.01 0", "plain 1", "l2=0.01 1"]),
        ([1, 2], ["plain 0", "l2=0.01 0 failed", "l2=0.01 0 failed", "l2=0.01 0", "plain 1", "l2=0.01 1"]),
        ([3], ["plain 0", "l2=0.01 0", "plain 1", "l2=0.01 1 failed", "l2=0.01 1"]),
    ],
    ids=["first", "in between", "last"],
)
def test_a_fit_that_cannot_be_written_is_written_later(
    iris: Dataset, quick: Training, two_folds: Protocol, rows_of: RowsOf, tmp_path: Path,
    full_disk: Callable[[Sequence[int]], list[str]], failing: list[int], expected: list[str],
) -> None:  # fmt: skip
    log = full_disk(failing)
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "s")
    assert log == expected
    assert messages(study) == [SAID]
    assert study.complete
    read = load_study(tmp_path / "s")
    assert rows_of(read) == rows_of(study)
    assert read.run_of("plain").seed == 0  # its network, too
    assert not (tmp_path / "s" / "locks").exists()


@pytest.mark.parametrize("failing", [range(3, 100), range(100)], ids=["the last", "all"])
def test_a_disk_that_stays_full_is_mentioned_once(
    iris: Dataset, quick: Training, two_folds: Protocol, rows_of: RowsOf, tmp_path: Path,
    full_disk: Callable[[Sequence[int]], list[str]], failing: range,
) -> None:  # fmt: skip
    whole = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    full_disk(failing)
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "s")
    assert messages(study) == [SAID]
    assert rows_of(study) == rows_of(whole)
    assert SAID in study.notes
    assert len(load_study(tmp_path / "s").fits) == failing.start


def test_a_disk_that_fills_up_twice_is_mentioned_twice(
    iris: Dataset, quick: Training, two_folds: Protocol, tmp_path: Path,
    full_disk: Callable[[Sequence[int]], list[str]],
) -> None:  # fmt: skip
    full_disk([0, 3])
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "s")
    assert messages(study) == [SAID, SAID]
    assert load_study(tmp_path / "s").complete


def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_no_part(
    iris: Dataset, quick: Training, two_folds: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, count = importlib.import_module("goodfit.serialization"), iter(range(100))
    real = module.os.fsync

    def fsync(number: int) -> None:
        if 4 <= next(count) <= 6:
            raise OSError(28, "No space left on device")
        real(number)

    monkeypatch.setattr(module.os, "fsync", fsync)
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "s")
    assert len(messages(study)) == 1
    assert load_study(tmp_path / "s").complete
    assert not list(tmp_path.rglob("*.part"))


def test_an_interrupted_study_writes_what_is_left(
    iris: Dataset, quick: Training, two_folds: Protocol, tmp_path: Path,
    full_disk: Callable[[Sequence[int]], list[str]],
) -> None:  # fmt: skip
    log = full_disk([2])

    def interrupt(study: Study) -> None:
        if len(study.fits) == 3:
            raise KeyboardInterrupt

    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, folder=tmp_path / "s",
                      on_fit=interrupt)  # fmt: skip
    assert study.interrupted
    assert log == ["plain 0", "l2=0.01 0", "plain 1 failed", "plain 1"]
    assert len(load_study(tmp_path / "s").fits) == 3


class Database:
    """A database that counts what it is shown."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool]] = []

    def sync(self, trials: Sequence[Any], last: bool = False) -> None:
        self.calls.append((sum(len(trial.values) for trial in trials), last))

    def remove_lock(self) -> None:
        self.calls.append((0, True))


def test_a_folder_keeps_shows_and_finds_fits(
    iris: Dataset, quick: Training, two_folds: Protocol, tmp_path: Path
) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds)
    files, database, (first, second) = StudyFolder(tmp_path), Database(), design(two_folds, iris).folds
    files.begin(study.definition, study.targets)
    keeper = Folder(files, study.definition, database, study.say)  # type: ignore[arg-type]
    plain, l2 = study.definition.candidates
    with keeper.claim(first, [plain, l2], wait=False) as owned:
        assert owned
        keeper.add(study.fits[0], study.run_of("plain"))
        keeper.show(study)
    collected = keeper.finished(plain, first)
    assert collected is not None
    assert collected.loss == study.fits[0].loss
    assert keeper.finished(plain, second) is keeper.finished(l2, first) is None
    assert keeper.finished_run(plain, first) is not None
    assert keeper.finished_run(l2, first) is None
    keeper.end(study)
    assert database.calls == [(4, False), (4, True), (0, True)]
    assert not (tmp_path / "locks").exists()


class SlowDatabase(Database):
    """A database that takes a second of the clock for each update."""

    now = 100.0

    def sync(self, trials: Sequence[Any], last: bool = False) -> None:
        super().sync(trials, last)
        self.now += 1.0


def test_short_fits_are_shown_at_intervals_and_long_ones_at_once(
    iris: Dataset, quick: Training, two_folds: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds)
    database = SlowDatabase()
    monkeypatch.setattr(importlib.import_module("goodfit.study.keeping").time, "monotonic", lambda: database.now)
    keeper = Folder(StudyFolder(tmp_path), study.definition, database, study.say)  # type: ignore[arg-type]

    def shown(seconds: float, wait: float = 0.0) -> bool:
        database.now += wait
        before = len(database.calls)
        keeper.add(dataclasses.replace(study.fits[0], seconds=seconds), None)
        keeper.show(study)
        return len(database.calls) > before

    assert shown(1.0)
    assert not shown(1.0)
    assert not shown(1.0, wait=PAUSE - 1.0)
    assert shown(1.0, wait=1.0)
    assert shown(PAUSE)
    assert not shown(math.nan)
    keeper.end(study)
    assert database.calls[-2][1]


def test_the_owner_of_a_fold_removes_what_a_killed_process_has_left(
    iris: Dataset, quick: Training, two_folds: Protocol, tmp_path: Path
) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, folder=tmp_path / "s")
    lost = next((tmp_path / "s" / "predictions").iterdir())
    lost.rename(lost.with_name(lost.name + ".part"))
    repeated = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, folder=tmp_path / "s")
    assert repeated.complete
    assert not list(tmp_path.rglob("*.part"))
    assert len(study.fits) == len(repeated.fits)


def test_without_a_folder_nothing_is_found(iris: Dataset, two_folds: Protocol) -> None:
    keeper, fold = Memory(), design(two_folds, iris).folds[0]
    candidate = Candidate("plain", recipe=None)  # type: ignore[arg-type]
    assert keeper.finished(candidate, fold) is None
    assert keeper.finished_run(candidate, fold) is None
    with keeper.claim(fold, [candidate], wait=False) as owned:
        assert owned
