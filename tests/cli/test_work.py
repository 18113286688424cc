"""The work of the commands study, fit, augment, diagnose and techniques."""

from __future__ import annotations

import csv as tables
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from goodfit import load_run
from goodfit.study.candidates import DEFAULT_TECHNIQUES
from goodfit.techniques import ALL
from goodfit.train.run import same

Cli = Callable[..., Any]
SMALL = ("--model", "mlp:8", "--epochs", 3)
ONE, TWO_FOLDS = ("--folds", 1, "--repeats", 1), ("--folds", 2, "--repeats", 1)


# ---- study ------------------------------------------------------------------------------------------


def test_a_study_writes_its_files(folder: Path) -> None:
    files = {p.name for p in folder.iterdir() if not p.name.startswith("study.db")}
    assert files == {
        "best", "plain", "predictions", "runs", "answer.json", "fits.csv", "metrics.csv", "ranking.csv", "recipe.yaml",
        "report.html", "study.json", "targets.safetensors",
    }  # fmt: skip
    with (folder / "fits.csv").open() as file:
        fits = [(row["recipe"], row["fold"]) for row in tables.DictReader(file)]
    assert fits == [(recipe, fold) for fold in "01" for recipe in ("plain", "l2=0.01")]
    assert json.loads((folder / "answer.json").read_text())["complete"]
    assert f"--out {folder}" in (folder / "report.html").read_text()


def test_a_study_prints_verdict_ranking_and_output_files(goodfit: Cli, csv: Path, folder: Path) -> None:
    text = goodfit("study", csv, "--target", "kind", *SMALL, *TWO_FOLDS, "--recipe", "l2=1e-2", "--out", folder,
                      "--force").ok()  # fmt: skip
    assert "Dataset(shapes: 80 × 2, target 'kind', 2 classes)" in text
    assert "the plain network" in text
    assert "accuracy on validation rows (higher is better), 2 folds × 1 repeat" in text
    assert json.loads((folder / "answer.json").read_text())["sentence"] in text
    assert "test score (measured once): plain" in text
    assert "recommended: the plain network" in text.splitlines()
    assert text.splitlines()[-1] == f"results in {folder}; open {folder / 'report.html'}"


def test_a_default_study_writes_to_a_folder_named_after_the_data(
    goodfit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = goodfit("study", "iris", "--model", "mlp:4", "--epochs", 2, *TWO_FOLDS, "--budget", "6trials").ok()
    answer = json.loads(Path("goodfit-iris/answer.json").read_text())
    assert (answer["complete"], answer["trials"]) == (True, 6)
    assert answer["sentence"] in text
    assert f"recommended: {answer['label'] if answer['recommended'] else 'the plain network'}" in text.splitlines()
    recipes = [row["recipe"] for row in answer["ranking"]]
    assert {"plain", "weight_decay=1.0, early_stopping=10"} <= set(recipes)
    with Path("goodfit-iris/fits.csv").open() as file:
        assert sorted(row["recipe"] for row in tables.DictReader(file)) == sorted(2 * recipes)
    assert load_run("goodfit-iris").recipe.text() == answer["recommended"]


def test_a_search_in_the_users_own_space(goodfit: Cli, csv: Path) -> None:
    (csv.parent / "space.yaml").write_text("dropout: [0.1, 0.8]\nl2: [1e-4, 1e-2]\n")
    goodfit("study", csv, "--target", "kind", *SMALL, *TWO_FOLDS, "--space", csv.parent / "space.yaml", "--budget",
            "6trials", "--sampler", "random", "--out", csv.parent / "study").ok()  # fmt: skip
    search = json.loads((csv.parent / "study" / "study.json").read_text())["identity"]["search"]
    assert search == {"space": [["dropout.rate", "0.1 to 0.8"], ["l2.l2", "0.0001 to 0.01"]], "sampler": "random"}
    assert json.loads((csv.parent / "study" / "answer.json").read_text())["trials"] == 6


def test_the_catalogue_is_compared_without_a_search(goodfit: Cli, csv: Path) -> None:
    out = csv.parent / "study"
    goodfit("study", csv, "--target", "kind", "--model", "mlp:4", "--epochs", 1, *ONE, "--catalogue", "--out", out).ok()
    answer = json.loads((out / "answer.json").read_text())
    recipes = {row["recipe"] for row in answer["ranking"]}
    assert {"plain", *DEFAULT_TECHNIQUES, "combined"} < recipes
    assert (answer["trials"], answer["fits"]) == (0, len(recipes))


def test_recipes_may_be_files(goodfit: Cli, csv: Path, folder: Path) -> None:
    out = csv.parent / "again"
    goodfit("fit", csv, "--target", "kind", *SMALL, "--recipe", folder / "recipe.yaml", "--out", out).ok()
    assert load_run(out).recipe == load_run(folder).recipe


def test_the_number_of_threads_is_restored(goodfit: Cli, csv: Path) -> None:
    before = torch.get_num_threads()
    goodfit("fit", csv, "--target", "kind", *SMALL, "--threads", before + 1).ok()
    assert torch.get_num_threads() == before


def test_ctrl_c_in_a_study_keeps_finished_runs(goodfit: Cli, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    home = importlib.import_module("goodfit.train.population.scheduler")
    real, count = home.fit, iter(range(100))

    def stopping(*arguments: Any, **options: Any) -> Any:
        if next(count) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(home, "fit", stopping)
    out = csv.parent / "out"
    result = goodfit(
        "study", csv, "--target", "kind", *SMALL, *TWO_FOLDS, "--recipe", "l2=1e-2", "--no-population", "--out", out
    )
    assert (result.code, result.err) == (130, "")
    assert "3 of 4 fits are finished; the same command continues the study" in result.out
    assert "test score" not in result.out
    with (out / "fits.csv").open() as file:
        assert len(list(tables.DictReader(file))) == 3
    assert "3 of 4 fits are finished" in (out / "report.html").read_text()
    assert not json.loads((out / "answer.json").read_text())["complete"]
    assert "the best recipe" in goodfit("diagnose", out).ok()


def test_the_same_command_continues_a_study(goodfit: Cli, csv: Path, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "predictions").iterdir()}
    list(before)[1].unlink()
    command = ("study", csv, "--target", "kind", *SMALL, *TWO_FOLDS, "--recipe", "l2=1e-2", "--out", folder)
    goodfit(*command).ok()
    after = {path: path.stat().st_mtime_ns for path in (folder / "predictions").iterdir()}
    assert set(after) == set(before)
    assert sum(after[path] != before[path] for path in before) == 1
    goodfit(*command).ok()
    assert after == {path: path.stat().st_mtime_ns for path in (folder / "predictions").iterdir()}


def test_another_study_in_the_folder_is_refused(goodfit: Cli, csv: Path, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    command = ("study", csv, "--target", "kind", *SMALL, "--recipe", "l2=1e-2", "--out", folder)
    for change, words in [
        ((*TWO_FOLDS, "--seed", 1), "seed 0 there, 1 here"),
        (("--folds", 3, "--repeats", 1), "folds 2 there, 3 here"),
        ((*TWO_FOLDS, "--epochs", 4), "epochs 3 there, 4 here"),
        ((*TWO_FOLDS, "--recipe", "l1=0.1"), "2 recipes there, 3 here"),
    ]:
        result = goodfit(*command, *change)
        assert result.code == 2
        assert f"holds another study ({words}); choose another folder" in result.err
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- fit --------------------------------------------------------------------------------------------


def test_fit_writes_a_run(goodfit: Cli, csv: Path) -> None:
    out = csv.parent / "run"
    text = goodfit("fit", csv, "--target", "kind", *SMALL, "--recipe", "l1=1e-3", "--every", 2, "--out", out).ok()
    assert {p.name for p in out.iterdir()} == {
        "best.safetensors", "checkpoints", "last.safetensors", "recipe.yaml", "report.html", "run.json",
    }  # fmt: skip
    assert "epoch-0002.safetensors" in {p.name for p in (out / "checkpoints").iterdir()}
    run = load_run(out)
    assert (run.epochs, run.recipe.text(), run.network) == (3, "l1=0.001", "mlp:8")
    assert "epoch 3 of 3 kept: accuracy" in text


def test_fit_without_a_folder_writes_nothing(goodfit: Cli, csv: Path) -> None:
    goodfit("fit", csv, "--target", "kind", *SMALL).ok()
    assert [p.name for p in csv.parent.iterdir()] == ["shapes.csv"]


@pytest.mark.parametrize("recipe", ["", "dropout=0.25, early_stopping=20, ema=0.5"])
def test_a_resumed_run_equals_an_uninterrupted_one(goodfit: Cli, csv: Path, recipe: str) -> None:
    whole, resumed = csv.parent / "whole", csv.parent / "resumed"
    fixed = ("fit", csv, "--target", "kind", "--model", "mlp:8", "--recipe", recipe, "--seed", 4)
    goodfit(*fixed, "--epochs", 6, "--out", whole).ok()
    goodfit(*fixed, "--epochs", 2, "--out", resumed).ok()
    assert load_run(resumed).epochs == 2
    goodfit(*fixed, "--epochs", 6, "--out", resumed, "--resume").ok()
    a, b = load_run(whole), load_run(resumed)
    assert same(a.last, b.last)
    assert same(a.best, b.best)
    assert [{**row, "seconds": 0} for row in a.history] == [{**row, "seconds": 0} for row in b.history]
    assert (a.best_epoch, a.kept, a.seed) == (b.best_epoch, b.kept, 4)


def test_resuming_another_run_is_refused(goodfit: Cli, csv: Path) -> None:
    out = csv.parent / "run"
    goodfit("fit", csv, "--target", "kind", *SMALL, "--out", out).ok()
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    for change in (["--recipe", "l2=0.1"], ["--seed", "1"], ["--model", "mlp:9"], ["--learning-rate", "0.1"]):
        result = goodfit("fit", csv, "--target", "kind", *SMALL, *change, "--out", out, "--resume")
        assert result.code == 2
        assert result.err.startswith("goodfit: resume: ")
        assert len(result.err.splitlines()) == 1
    assert before == {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_force_starts_again(goodfit: Cli, csv: Path) -> None:
    out = csv.parent / "run"
    goodfit("fit", csv, "--target", "kind", *SMALL, "--out", out).ok()
    goodfit("fit", csv, "--target", "kind", *SMALL, "--seed", 1, "--out", out, "--force").ok()
    assert load_run(out).seed == 1
    assert load_run(out).epochs == 3


def test_the_seed_determines_the_run(goodfit: Cli, csv: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        goodfit("fit", csv, "--target", "kind", *SMALL, "--seed", seed, "--out", csv.parent / name).ok()
    a, b, c = (load_run(csv.parent / name) for name in "abc")
    assert same(a.last, b.last)
    assert not same(a.last, c.last)


def test_options_reach_the_training(goodfit: Cli, csv: Path) -> None:
    out = csv.parent / "run"
    goodfit("fit", csv, "--target", "kind", "--epochs", 2, "--batch-size", 7, "--learning-rate", 0.5, "--optimizer",
               "sgd", "--schedule", "cosine", "--metric", "roc_auc", "--model", "mlp:4", "--out", out).ok()  # fmt: skip
    changed = load_run(out).training.changed()
    assert changed == {"epochs": 2, "batch_size": 7, "learning_rate": 0.5, "optimizer": "sgd", "schedule": "cosine",
                       "metric": "roc_auc"}  # fmt: skip


# ---- diagnose ---------------------------------------------------------------------------


def test_diagnose_a_study_and_a_run(goodfit: Cli, folder: Path) -> None:
    both = goodfit("diagnose", folder).ok()
    assert "the plain network (plain)" in both
    assert "the best recipe" in both
    one = goodfit("diagnose", folder / "plain").ok()
    assert "the run (plain)" in one
    assert "the best recipe" not in one
    assert "next step: " in one


def test_diagnose_uses_the_latest_results_of_a_folder(goodfit: Cli, csv: Path, folder: Path) -> None:
    goodfit("fit", csv, "--target", "kind", *SMALL, "--recipe", "max_norm=2", "--out", folder, "--force").ok()
    text = goodfit("diagnose", folder).ok()
    assert "the run (max_norm=2.0)" in text
    assert "the plain network" not in text


def test_an_occupied_folder_is_refused_before_the_data_is_loaded(goodfit: Cli, folder: Path) -> None:
    for command in (["fit", "absent"], ["augment", "absent", "--recipe", "shift=0.1"]):
        result = goodfit(*command, "--out", folder)
        assert result.code == 2
        assert "holds earlier results" in result.err


# ---- techniques -------------------------------------------------------------------------------------


def test_the_catalogue(goodfit: Cli) -> None:
    text = goodfit("techniques").ok()
    assert all(name in text for name in ALL)


@pytest.mark.parametrize("name", ["dropout", "MixUp", "weight-decay"])
def test_one_technique(goodfit: Cli, name: str) -> None:
    text = goodfit("techniques", name).ok()
    assert "Formula" in text
    assert "Knobs" in text
    assert "https://" in text


def test_fit_on_a_folder_of_images(goodfit: Cli, tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for kind in ("day", "night"):
        (tmp_path / "sky" / kind).mkdir(parents=True)
        for number in range(20):
            shades = rng.integers(0, 100, (9, 9, 3)) + 120 * (kind == "day")
            Image.fromarray(shades.astype(np.uint8)).save(tmp_path / "sky" / kind / f"{number}.png")
    (tmp_path / "sky" / "night" / "broken.png").write_bytes(b"?")
    command = ("fit", tmp_path / "sky", "--model", "cnn:4", "--epochs", 2, "--recipe", "rotation=10", "--size", 8)
    refused = goodfit(*command, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "1 of 41 files cannot be read: 'night/broken.png'" in refused.err
    assert goodfit(*command, "--damaged", "skip", "--out", tmp_path / "run").code == 0
    assert "Augmented samples" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert goodfit(*command, "--damaged", "skip", "--cache", tmp_path / "cache").code == 0
    assert [entry.name.split("-")[0] for entry in (tmp_path / "cache").glob("[!.]*")] == ["sky"]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a file's size represents a full disk")
def test_a_full_disk_costs_no_result_and_the_message_names_the_file(tmp_path: Path) -> None:
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from goodfit.cli import main; "
        "import goodfit.report, goodfit.study; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); main()"
    )
    arguments = (
        "study",
        "iris",
        "--model",
        "mlp:256-256",
        "--epochs",
        "2",
        "--folds",
        "2",
        "--repeats",
        "1",
        "--recipe",
        "l2=0.01",
    )
    command = [sys.executable, "-c", limited, *arguments, "--no-population", "--out", str(tmp_path / "study")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
    assert ended.returncode == 1
    assert "plain" in ended.stdout
    assert "l2=0.01" in ended.stdout
    assert "test score" in ended.stdout
    note, message = ended.stderr.strip().splitlines()
    assert "study: fits are not saved for now" in note
    assert "File too large" in message
    assert str(tmp_path / "study") in message
    assert len((tmp_path / "study" / "fits.csv").read_text().splitlines()) == 5


def test_a_study_goes_on_where_its_fits_cannot_be_saved(
    goodfit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "a.safetensors")

    command = ("study", "iris", "--epochs", 1, *TWO_FOLDS, "--recipe", "l2=0.01", "--out", tmp_path / "study")
    with monkeypatch.context() as patch:
        patch.setattr("goodfit.study.files.StudyFolder.write", fail)
        result = goodfit(*command)
    assert result.code == 0
    assert caplog.text.count("fits are not saved for now ([Errno 28] No space left on device") == 1
    assert "l2=0.01" in result.out
    assert "results in" in result.out
    assert not (tmp_path / "study" / "predictions").exists()
    goodfit(*command).ok()
    assert len(list((tmp_path / "study" / "predictions").iterdir())) == 4
