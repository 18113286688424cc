"""Which fits a study trains: those that it lacks, each of them once, also if several processes share its folder."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from goodfit.data import Dataset
from goodfit.errors import InputError, TrainingError
from goodfit.study import Protocol, Study, load_study, run_study
from goodfit.study.save import answer
from goodfit.train.config import Training
from goodfit.train.run import Run

HOME = importlib.import_module("goodfit.train.population.scheduler")
ReplaceFit = Callable[[Callable[[int, Run], Run]], None]
RowsOf = Callable[[Study], list[dict[str, Any]]]
RECIPES = ["l2=1e-2", "dropout=0.25, early_stopping=1"]
TWO = Protocol(folds=2, repeats=1)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The recipe and seed of each call of `fit`."""
    calls: list[tuple[str, int]] = []
    real = HOME.fit

    def recording(network: Any, split: Any, recipe: Any, *rest: Any, seed: int, **options: Any) -> Run:
        calls.append((recipe.text(), seed))
        run: Run = real(network, split, recipe, *rest, seed=seed, **options)
        return run

    monkeypatch.setattr(HOME, "fit", recording)
    return calls


def run(data: Dataset, training: Training, folder: Path | None, recipes: list[str] = RECIPES, **options: Any) -> Study:
    return run_study(data, "mlp:8", recipes, training, protocol=TWO, folder=folder, **{"population": False} | options)


def interrupt_after(number: int) -> Callable[[Study], None]:
    def act(study: Study) -> None:
        if len(study.fits) == number:
            raise KeyboardInterrupt

    return act


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_a_continued_study_equals_an_uninterrupted_one(
    iris: Dataset, quick: Training, tmp_path: Path, rows_of: RowsOf, trained: list[tuple[str, int]], number: int
) -> None:
    whole = run(iris, quick, tmp_path / "whole")
    expected = list(trained)
    trained.clear()
    stopped = run(iris, quick, tmp_path / "s", on_fit=interrupt_after(number))
    assert (stopped.interrupted, len(stopped.fits)) == (True, number)
    continued = run(iris, quick, tmp_path / "s")
    assert trained == expected  # each fit once
    assert (continued.interrupted, continued.complete) == (False, True)
    assert rows_of(continued) == rows_of(whole)
    assert answer(continued) == answer(whole)
    assert answer(load_study(tmp_path / "s")) == answer(whole)
    assert continued.metrics_frame().equals(whole.metrics_frame())
    assert set(continued.runs) == set(whole.runs)


def test_a_complete_study_trains_nothing(
    iris: Dataset, quick: Training, tmp_path: Path, rows_of: RowsOf, trained: list[tuple[str, int]]
) -> None:
    first = run(iris, quick, tmp_path / "s")
    trained.clear()
    calls: list[int] = []
    repeated = run(iris, quick, tmp_path / "s", on_fit=lambda study: calls.append(len(study.fits)))
    assert trained == calls == []
    assert rows_of(repeated) == rows_of(first)
    assert repeated.run_of("plain").seed == 0
    assert repeated.test_scores() == first.test_scores() != {}


def test_a_damaged_fit_alone_is_trained_again(
    iris: Dataset, quick: Training, tmp_path: Path, rows_of: RowsOf, trained: list[tuple[str, int]]
) -> None:
    first = run(iris, quick, tmp_path / "s")
    definition = first.definition
    trial = next(t for t, c in definition.trials.items() if c.label == "l2=0.01")
    file = tmp_path / "s" / "predictions" / f"{definition.fit_id(trial, 0, 1)}.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    trained.clear()
    repeated = run(iris, quick, tmp_path / "s")
    assert trained == [("l2=0.01", 1)]
    assert rows_of(repeated) == rows_of(first)


def test_a_network_that_was_deleted_or_damaged_is_trained_once_more(
    iris: Dataset, quick: Training, tmp_path: Path, rows_of: RowsOf, trained: list[tuple[str, int]]
) -> None:
    first = run(iris, quick, tmp_path / "s")
    folders = sorted((tmp_path / "s" / "runs").iterdir())
    assert len(folders) == len(first.labels)
    (folders[0] / "run.json").unlink()
    (folders[1] / "last.safetensors").write_bytes(b"")
    trained.clear()
    repeated = run(iris, quick, tmp_path / "s")
    assert len(trained) == 2
    assert {fold for _, fold in trained} == {0}
    assert rows_of(repeated) == rows_of(first)
    for label in first.labels:
        assert repeated.run_of(label).seed == 0


def test_force_replaces_another_study_and_continues_the_same_one(
    iris: Dataset, quick: Training, tmp_path: Path, trained: list[tuple[str, int]]
) -> None:
    run(iris, quick, tmp_path / "s", ["l2=1e-2"])
    with pytest.raises(InputError, match=r"holds another study \(2 recipes there, 3 here\)"):
        run(iris, quick, tmp_path / "s")
    trained.clear()
    assert run(iris, quick, tmp_path / "s", force=True).complete
    assert len(trained) == 6
    trained.clear()
    assert run(iris, quick, tmp_path / "s", force=True).complete
    assert trained == []
    assert len(list((tmp_path / "s" / "predictions").iterdir())) == 6


def test_force_removes_nothing_where_the_database_cannot_be_used(
    iris: Dataset, quick: Training, tmp_path: Path, trained: list[tuple[str, int]]
) -> None:
    run(iris, quick, tmp_path / "s", ["l2=1e-2"])
    with pytest.raises(InputError, match="database: "):
        run(iris, quick, tmp_path / "s", force=True, storage="nourl://x")
    trained.clear()
    assert run(iris, quick, tmp_path / "s", ["l2=1e-2"]).complete
    assert trained == []


def test_lazy_layers_are_refused(iris: Dataset, quick: Training) -> None:
    with pytest.raises(InputError, match=r"must have shapes, got the lazy '0\.weight'; call the network once"):
        run_study(iris, nn.Sequential(nn.LazyLinear(8), nn.Linear(8, 3)), ["l2=1e-2"], quick)


def test_fits_are_sorted_by_fold_and_recipe_however_they_were_trained(
    iris: Dataset, quick: Training, tmp_path: Path
) -> None:
    study = run(iris, quick, tmp_path / "s", population=True)
    assert [(fit.key, fit.label) for fit in study.fits] == [((0, f), label) for f in (0, 1) for label in study.labels]
    assert [fit.label for fit in load_study(tmp_path / "s").fits] == [fit.label for fit in study.fits]


def test_only_the_networks_of_the_first_fold_are_kept(iris: Dataset, quick: Training, tmp_path: Path) -> None:
    study = run(iris, quick, tmp_path / "s")
    assert set(study.runs) == {(label, 0, 0) for label in study.labels}
    assert len(list((tmp_path / "s" / "runs").iterdir())) == 3


def test_a_network_that_is_kept_after_failures_is_found_again(
    iris: Dataset, quick: Training, tmp_path: Path, replace_fit: ReplaceFit
) -> None:
    def act(number: int, run: Run) -> Run:
        if number == 1:
            raise TrainingError("it diverged")
        return run

    replace_fit(act)
    run(iris, quick, tmp_path / "s", on_fit=interrupt_after(4))
    continued = run(iris, quick, tmp_path / "s")
    assert continued.run_of("l2=0.01").seed == 1
    assert load_study(tmp_path / "s").run_of("l2=0.01").seed == 1


def test_a_study_without_a_folder_calls_back_after_each_fit(iris: Dataset, quick: Training) -> None:
    counted: list[tuple[str, tuple[int, int]]] = []
    run(iris, quick, None, on_fit=lambda study: counted.append((study.fits[-1].label, study.fits[-1].key)))
    labels = ["plain", "l2=0.01", "dropout=0.25, early_stopping=1"]
    assert counted == [(label, (0, fold)) for fold in (0, 1) for label in labels]


# ---- several processes ---------------------------------------------------------------------------------

WORKER = """
import sys, time
from pathlib import Path
import torch
from goodfit import Training, load, run_study
from goodfit.study import Protocol
import goodfit.study.database

torch.set_num_threads(1)
folder, name, other = Path(sys.argv[1]), *sys.argv[2:]

def wait_for(file):
    end = time.monotonic() + 90
    while not (folder.parent / file).exists():
        assert time.monotonic() < end, file
        time.sleep(0.002)

def trained(study):
    fit = study.fits[-1]
    print("trained", fit.label, *fit.key, flush=True)
    (folder.parent / f"{name}.trained").touch()
    wait_for(f"{other}.trained")  # so that each process has its share

(folder.parent / f"{name}.ready").touch()
wait_for("go")
study = run_study(load("iris"), "mlp:8", ["l2=1e-2"], Training(epochs=2, learning_rate=0.01), folder=folder,
                  protocol=Protocol(folds=4, repeats=2), population=False, progress=False, on_fit=trained)
print("complete", study.complete, len(study.fits), study.best().score.mean)
"""


def start(folder: Path, name: str, other: str) -> subprocess.Popen[str]:
    """Start a process that goes on after its first fit when the other one has trained a fit, too."""
    command = [sys.executable, "-W", "error", "-c", WORKER, str(folder), name, other]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_two_processes_share_a_folder(iris: Dataset, quick: Training, tmp_path: Path, rows_of: RowsOf) -> None:
    started = [start(tmp_path / "s", "a", "b"), start(tmp_path / "s", "b", "a")]
    try:
        wait_until(lambda: all((tmp_path / f"{name}.ready").exists() for name in "ab"))
        (tmp_path / "go").touch()
        ended = [process.communicate(timeout=120) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [(process.returncode, err) for process, (_, err) in zip(started, ended, strict=True)] == [(0, "")] * 2
    trained, last = zip(*((lines[:-1], lines[-1]) for lines in (out.splitlines() for out, _ in ended)), strict=True)
    assert all(trained)  # each process has trained some
    both = [*trained[0], *trained[1]]
    assert len(both) == len(set(both)) == 16  # none twice
    whole = run_study(iris, "mlp:8", ["l2=1e-2"], quick, protocol=Protocol(folds=4, repeats=2), population=False)
    best = whole.best()
    assert best is not None
    assert last == (f"complete True 16 {best.score.mean}",) * 2
    shared = load_study(tmp_path / "s")
    assert rows_of(shared) == rows_of(whole)
    assert answer(shared) == answer(whole)
    assert not list(tmp_path.rglob("*.part"))


def test_a_process_goes_on_with_the_fold_of_one_that_was_killed(tmp_path: Path) -> None:
    killed = start(tmp_path / "s", "a", "no other process")  # it does not finish its fold
    (tmp_path / "go").touch()
    try:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "trained plain 0 0\n"
        other = start(tmp_path / "s", "b", "a")
        try:
            wait_until((tmp_path / "b.trained").exists)
            killed.kill()
            out, err = other.communicate(timeout=120)
        finally:
            other.kill()
    finally:
        killed.kill()
        killed.communicate()
    assert err == ""
    trained = out.splitlines()[:-1]
    assert trained[0] == "trained plain 0 1"  # the first fold belonged to the other process
    assert len(trained) == 15
    assert "trained plain 0 0" not in trained
    assert trained[-1] == "trained l2=0.01 0 0"
    assert out.splitlines()[-1].startswith("complete True 16 ")
