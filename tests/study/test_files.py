"""The folder of a study: fits as files, other folders that are refused, and several processes."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from goodfit.data import Dataset
from goodfit.errors import InputError
from goodfit.history import History
from goodfit.serialization import read_json, read_tensors, write_json, write_tensors
from goodfit.store import save_run
from goodfit.study import Fit, Protocol, Study, load_study, run_study
from goodfit.study.candidates import Candidate
from goodfit.study.design import Fold, design
from goodfit.study.files import StudyFolder
from goodfit.train.config import Training

TWO = Protocol(folds=2, repeats=1)
RECIPES = ["l2=1e-2"]
Hold = Callable[[Path], subprocess.Popen[str]]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def study(iris: Dataset, quick: Training) -> Study:
    return run_study(iris, "mlp:8", RECIPES, quick, protocol=TWO)


@pytest.fixture
def files(study: Study, tmp_path: Path) -> StudyFolder:
    """A folder with the definition and the fits of a study."""
    folder = StudyFolder(tmp_path / "study")
    folder.check(study.definition)
    folder.begin(study.definition, study.targets)
    for fit in study.fits:
        folder.write(study.definition, fit)
    return folder


@pytest.fixture(scope="module")
def folds(iris: Dataset) -> tuple[Fold, ...]:
    return design(TWO, iris).folds


def trial_of(study: Study, fit: Fit) -> str:
    return next(trial for trial, own in study.definition.trials.items() if own == fit.candidate)


def assert_equal(a: Fit, b: Fit) -> None:
    """Two fits are equal to the bit."""
    for field in dataclasses.fields(Fit):
        if field.name not in ("predictions", "history", "loss", "seconds"):
            assert getattr(a, field.name) == getattr(b, field.name), field.name
    assert repr(a.history.rows) == repr(b.history.rows)
    assert repr((a.loss, a.seconds)) == repr((b.loss, b.seconds))
    assert a.predictions.keys() == b.predictions.keys()
    for part, own in a.predictions.items():
        assert torch.equal(own.rows, b.predictions[part].rows)
        assert own.outputs.dtype == b.predictions[part].outputs.dtype
        assert torch.equal(own.outputs, b.predictions[part].outputs)


# ---- fits ---------------------------------------------------------------------------------------------


def test_fits_are_the_same_to_the_bit_when_they_are_read(study: Study, files: StudyFolder) -> None:
    for fit in study.fits:
        assert len(fit.history) == 2
        assert_equal(files.read(study.definition, trial_of(study, fit), fit.key), fit)
        assert files.finished(study.definition, fit.candidate, fit.key) is not None


def test_numbers_that_are_not_finite_are_the_same_when_they_are_read(study: Study, files: StudyFolder) -> None:
    odd = dataclasses.replace(
        study.fits[0], loss=math.inf, history=History([{"epoch": 1, "stop_loss": math.nan, "train_loss": -math.inf}]),
        failure="", stopped="stop_loss is not finite",
    )  # fmt: skip
    files.write(study.definition, odd)
    assert_equal(files.read(study.definition, trial_of(study, odd), odd.key), odd)


def test_failed_fits_are_files_too(study: Study, files: StudyFolder) -> None:
    before = study.fits[1]
    failed = Fit(before.candidate, *before.key, before.seed, before.spec, before.metric, failure="it diverged")
    files.write(study.definition, failed)
    read = files.finished(study.definition, failed.candidate, failed.key)
    assert read is not None
    assert_equal(read, failed)


def test_targets_are_the_same_when_they_are_read(study: Study, files: StudyFolder) -> None:
    read = files.targets()
    for name, tensor in study.targets.tensors().items():
        assert torch.equal(getattr(read, name), tensor)


@pytest.mark.parametrize(
    "damage", ["empty", "cut", "text", "bits", "rows", "other format", "other recipe", "no history"]
)
def test_a_damaged_file_is_not_finished(study: Study, files: StudyFolder, damage: str) -> None:
    fit = study.fits[0]
    trial = trial_of(study, fit)
    file = files.fit_file(study.definition, trial, fit.key)
    data, (tensors, header) = file.read_bytes(), read_tensors(file)
    if damage in ("empty", "cut", "text"):
        file.write_bytes({"empty": b"", "cut": data[:-9], "text": b"not a fit"}[damage])
    elif damage == "bits":
        file.write_bytes(data[:-16] + bytes(16))
    elif damage == "rows":
        write_tensors(file, tensors | {"validation_rows": tensors["validation_rows"][:2]}, header)
    else:
        changes: dict[str, dict[str, Any]] = {
            "other format": {"format": 2}, "other recipe": {"candidate": study.candidates[1].to_dict()},
            "no history": {"history": None},
        }  # fmt: skip
        write_tensors(file, tensors, header | changes[damage])
    assert files.finished(study.definition, fit.candidate, fit.key) is None
    with pytest.raises(InputError, match=r"is damaged|must be a fit of format 3|must be a fit of this study"):
        files.read(study.definition, trial, fit.key)
    loaded = load_study(files.path)
    assert (len(loaded.fits), loaded.complete) == (3, False)


def test_a_fit_that_was_not_written_to_its_end_is_not_finished(study: Study, files: StudyFolder) -> None:
    fit = study.fits[0]
    file = files.fit_file(study.definition, trial_of(study, fit), fit.key)
    file.rename(file.with_name(file.name + ".part"))
    assert files.finished(study.definition, fit.candidate, fit.key) is None


def test_files_of_a_fit_hold_no_target(study: Study, files: StudyFolder) -> None:
    fit = study.fits[0]
    tensors, header = read_tensors(files.fit_file(study.definition, trial_of(study, fit), fit.key))
    assert set(tensors) == {*fit.predictions, *(f"{part}_rows" for part in fit.predictions)}
    assert (header["candidate"], header["stage"], header["seed"]) == (fit.candidate.to_dict(), "compare", 0)
    assert Candidate.from_dict(header["candidate"]) == fit.candidate


# ---- which folders are accepted ------------------------------------------------------------------------


def test_the_same_study_goes_on(study: Study, files: StudyFolder) -> None:
    before = contents(files.path)
    files.check(study.definition)
    files.begin(study.definition, study.targets)
    assert contents(files.path) == before


def test_another_study_is_refused(study: Study, files: StudyFolder) -> None:
    before = contents(files.path)
    other = dataclasses.replace(study.definition, network="mlp:9", metric="log_loss")
    message = r"holds another study \(network 'mlp:8' there, 'mlp:9' here; metric .*\); choose another .* --force"
    with pytest.raises(InputError, match=message):
        files.check(other)
    with pytest.raises(InputError, match=message):
        files.begin(other, study.targets)
    assert contents(files.path) == before


def test_a_study_of_another_format_is_refused(study: Study, files: StudyFolder) -> None:
    values = read_json(files.path / "study.json")
    write_json(files.path / "study.json", values | {"format": 2})
    with pytest.raises(InputError, match="must have format 3, got format=2 of another goodfit version"):
        files.check(study.definition)
    with pytest.raises(InputError, match="must have format 3, got format=2"):
        load_study(files.path)


def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(study: Study, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(thesis\.tex\); choose another folder, or overwrite"):
        StudyFolder(tmp_path).check(study.definition)
    assert contents(tmp_path) == {"thesis.tex": b"mine"}
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_run_of_a_fit_is_refused(study: Study, tmp_path: Path) -> None:
    save_run(study.run_of("plain"), tmp_path)
    with pytest.raises(InputError, match=r"holds other files \(best\.safetensors, last\.safetensors, recipe\.yaml\)"):
        StudyFolder(tmp_path).check(study.definition)


def test_what_a_killed_process_has_begun_is_accepted(study: Study, tmp_path: Path) -> None:
    for name in ("targets.safetensors", "targets.safetensors.part", "study.json.part", "study.db", "study.db-journal"):
        (tmp_path / name).write_text("half")
    (tmp_path / "locks").mkdir()
    files = StudyFolder(tmp_path)
    files.check(study.definition)
    files.begin(study.definition, study.targets)
    assert torch.equal(files.targets().y, study.targets.y)


def test_force_removes_the_results_and_nothing_else(study: Study, files: StudyFolder) -> None:
    for name in ("notes.txt", "data/table.csv"):
        (files.path / name).parent.mkdir(exist_ok=True)
        (files.path / name).write_text("mine")
    for name in ("runs.csv", "report.html", "best/run.json"):  # also those of earlier versions
        (files.path / name).parent.mkdir(exist_ok=True)
        (files.path / name).write_text("theirs")
    other = dataclasses.replace(study.definition, network="mlp:9")
    assert files.check(other, force=True)
    files.remove()
    assert set(contents(files.path)) == {"notes.txt", "data/table.csv"}
    files.begin(other, study.targets)
    assert files.definition().network == "mlp:9"
    assert (files.path / "notes.txt").read_text() == "mine"


def test_checking_removes_nothing_and_the_same_study_is_no_other(study: Study, files: StudyFolder) -> None:
    before = contents(files.path)
    assert not files.check(study.definition, force=True)
    assert files.check(dataclasses.replace(study.definition, network="mlp:9"), force=True)
    assert contents(files.path) == before


def test_targets_that_are_damaged_or_absent_are_written_anew(study: Study, files: StudyFolder) -> None:
    file = files.path / "targets.safetensors"
    for damage in (b"", b"garbage"):
        file.write_bytes(damage)
        with pytest.raises(InputError):
            files.targets()
        files.begin(study.definition, study.targets)
        assert torch.equal(files.targets().y, study.targets.y)
    write_tensors(file, {"stop": torch.zeros(2)})
    with pytest.raises(InputError, match="must hold the targets of a study"):
        files.targets()
    file.unlink()
    files.begin(study.definition, study.targets)
    assert torch.equal(files.targets().test_y, study.targets.test_y)


LOCK = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Hold a lock in another process, until the test ends or the process is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", LOCK, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_force_is_refused_while_another_process_works_there(
    study: Study, files: StudyFolder, folds: tuple[Fold, ...], hold: Hold
) -> None:
    with files.claim(folds[1], wait=False):
        pass  # makes the file of the lock
    before = contents(files.path)
    process = hold(files.path / "locks" / "repeat-0-fold-1.lock")
    with pytest.raises(
        InputError, match=r"another process works in .* \(it holds repeat-0-fold-1\.lock\); wait for it"
    ):
        files.remove()
    assert contents(files.path) == before
    process.kill()
    process.communicate()
    files.remove()  # a lock ends with its process
    assert not (files.path / "study.json").exists()


# ---- several processes ---------------------------------------------------------------------------------


def test_a_fold_has_one_owner(study: Study, files: StudyFolder, folds: tuple[Fold, ...]) -> None:
    other = StudyFolder(files.path)
    with files.claim(folds[0], wait=False) as first:
        assert first
        with other.claim(folds[0], wait=False) as second:
            assert not second
        with other.claim(folds[1], wait=False) as another_fold:
            assert another_fold
    with other.claim(folds[0], wait=False) as later:
        assert later


def test_a_claim_ends_with_an_error(files: StudyFolder, folds: tuple[Fold, ...]) -> None:
    with pytest.raises(KeyboardInterrupt), files.claim(folds[0], wait=False):
        raise KeyboardInterrupt
    with StudyFolder(files.path).claim(folds[0], wait=False) as owned:
        assert owned


def test_waiting_for_a_fold_ends_when_its_owner_is_killed(
    files: StudyFolder, folds: tuple[Fold, ...], hold: Hold
) -> None:
    (files.path / "locks").mkdir(exist_ok=True)
    process = hold(files.path / "locks" / "repeat-0-fold-0.lock")
    with files.claim(folds[0], wait=False) as owned:
        assert not owned
    process.kill()
    with files.claim(folds[0], wait=True) as owned:
        assert owned


def test_leftovers_of_a_killed_process_are_removed(study: Study, files: StudyFolder) -> None:
    definition, (plain, l2) = study.definition, study.definition.trials
    kept, other = files.run_folder(definition, plain, (0, 0)), files.run_folder(definition, l2, (0, 1))
    lost = files.run_folder(definition, l2, (0, 0))
    for folder in (kept, lost, other):
        save_run(study.run_of("plain"), folder)
    half = files.fit_file(definition, l2, (0, 0))
    half.rename(half.with_name(half.name + ".part"))  # its network was written, the fit was not
    other_half = files.fit_file(definition, l2, (0, 1))
    other_half.rename(other_half.with_name(other_half.name + ".part"))
    files.remove_leftovers(definition, definition.candidates, (0, 0))
    assert kept.is_dir()
    assert not lost.exists()
    assert other.is_dir()  # of another fold, whose owner may be writing
    assert [p.name for p in files.path.rglob("*.part")] == [other_half.name + ".part"]


def test_the_network_of_a_fit_is_found(study: Study, files: StudyFolder) -> None:
    fit = study.fits[0]
    assert files.finished_run(study.definition, fit.candidate, fit.key) is None
    files.write(study.definition, fit, study.run_of("plain"))
    folder = files.finished_run(study.definition, fit.candidate, fit.key)
    assert folder == files.run_folder(study.definition, trial_of(study, fit), fit.key)
    assert load_study(files.path).run_of("plain").seed == fit.seed


def test_locks_are_removed_at_the_end(files: StudyFolder, folds: tuple[Fold, ...]) -> None:
    with files.claim(folds[0], wait=False):
        assert (files.path / "locks").is_dir()
    files.end()
    assert not (files.path / "locks").exists()
    files.end()  # nothing to do
