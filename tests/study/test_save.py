"""A saved study: its files, their contents and their format versions; and a study that is read from them."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from goodfit.data import Dataset
from goodfit.errors import InputError, NetworkNeeded
from goodfit.recipe import Recipe
from goodfit.store import load_run, save_run
from goodfit.study import Protocol, Study, load_study, run_study
from goodfit.study.design import design
from goodfit.study.save import answer, save_results
from goodfit.train.config import Training

RowsOf = Callable[[Study], list[dict[str, Any]]]
RECIPES = ["l2=1e-2", "batch_norm, max_norm=inf"]
BETTER = RECIPES[1]
"""It is sure to predict better with the settings of `folder`, and not shown to with `quick`."""
TWO = Protocol(folds=2, repeats=1)


def strict(path: Path) -> Any:
    """JSON without NaN and Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(path.read_text(), parse_constant=refuse)


def refuse_training(*arguments: Any, **options: Any) -> None:
    raise AssertionError("nothing may be trained")


@pytest.fixture(scope="module")
def folder(iris: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study with its results."""
    path, training = tmp_path_factory.mktemp("saved") / "study", Training(epochs=4, learning_rate=0.01)
    save_results(run_study(iris, "mlp:8", RECIPES, training, protocol=TWO, folder=path), path)
    return path


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return load_study(folder)


def test_files(study: Study, folder: Path) -> None:
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    of_run = {"run.json", "recipe.yaml", "best.safetensors", "last.safetensors"}
    tables = {"fits.csv", "ranking.csv", "metrics.csv", "answer.json", "recipe.yaml"}
    trials = study.definition.trials
    runs = {f"runs/{study.definition.fit_id(t, 0, 0)}/{n}" for t in trials for n in of_run}
    fits = {f"predictions/{study.definition.fit_id(t, 0, f)}.safetensors" for t in trials for f in (0, 1)}
    results = {f"{f}/{n}" for f in ("best", "plain") for n in of_run}
    files = {name for name in names if not name.startswith("study.db")}  # the database may have more files
    assert files == {"study.json", "targets.safetensors"} | tables | results | runs | fits
    with (folder / "fits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["recipe"], r["fold"]) for r in rows] == [(label, f) for f in "01" for label in study.labels]
    assert [float(r["score"]) for r in rows] == study.fits_frame()["score"].tolist()
    with (folder / "ranking.csv").open() as file:
        assert [r["recipe"] for r in csv.DictReader(file)] == [r.candidate.label for r in study.ranking()]
    with (folder / "metrics.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(study.metrics_frame())


def test_loading_a_study_folder_returns_the_run_of_the_recommended_recipe(
    study: Study, folder: Path, iris: Dataset
) -> None:
    x = design(TWO, iris).folds[0].split().test.x
    assert study.recommended().label == BETTER
    assert torch.equal(load_run(folder).outputs(x), study.run_of(BETTER).outputs(x))
    assert not torch.equal(load_run(folder).outputs(x), load_run(folder / "plain").outputs(x))
    assert torch.equal(load_run(folder / "plain").outputs(x), study.run_of("plain").outputs(x))


def test_the_recipe_file_trains_again(study: Study, folder: Path) -> None:
    assert Recipe.load(str(folder / "recipe.yaml")) == Recipe.of(BETTER) == study.ranking()[0].candidate.recipe
    data = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert data["format"] == 1
    assert data["network"] == "mlp:8"
    assert Training.of(data["training"]) == study.training


def test_the_answer_is_strict_json_and_complete(study: Study, folder: Path) -> None:
    data, best = strict(folder / "answer.json"), study.ranking()[0]
    compared = study.evidence().of(BETTER)
    assert compared is not None
    assert (data["format"], data["name"], data["metric"], data["complete"]) == (3, "iris", "accuracy", True)
    assert (data["fits"], data["recipes"], data["trials"]) == (6, 3, 0)
    assert (data["label"], data["score"]["mean"]) == (best.candidate.label, best.score.mean)
    assert data["recommended"] == data["compared"] == BETTER
    assert Recipe.of(data["recommended"]) == best.candidate.recipe
    assert Training.of(data["training"]) == study.training
    assert (data["confidence"], data["difference"]) == ("sure", compared.gain)
    assert (data["difference_low"], data["difference_high"]) == (compared.low, compared.high)
    assert (data["difference_shrunk"], data["p"], data["p_unadjusted"]) == (
        compared.shrunk, compared.p_adjusted, compared.p,
    )  # fmt: skip
    assert data["p_unadjusted"] == data["p"] < 0.05  # the other recipe changes no score, so nothing is corrected
    assert data["optimism"] is None  # without a search
    assert data["sentence"].startswith(f"{BETTER} is sure to predict better: accuracy +")
    assert [row["recipe"] for row in data["ranking"]] == [r.candidate.label for r in study.ranking()]
    assert [row["difference"] for row in data["ranking"] if row["recipe"] == "plain"] == [None]
    assert [row["confidence"] for row in data["ranking"]] == ["sure", *("" if r.difference is None else "not shown"
                                                                        for r in study.ranking()[1:])]  # fmt: skip
    assert data["test"]["plain"]["fits"] == data["test"][BETTER]["fits"] == 2
    assert data["test"]["difference"] == study.difference(BETTER, part="test").to_dict()
    assert not any("seconds" in key for key in data)


def test_without_a_better_recipe_the_plain_network_is_recommended(
    iris: Dataset, quick: Training, tmp_path: Path
) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=TWO)
    save_results(study, tmp_path)
    data, best = strict(tmp_path / "answer.json"), study.ranking()[0]
    assert (best.candidate.label, study.significance(best)) == (BETTER, "inconclusive")
    assert (data["recommended"], data["label"], data["confidence"]) == ("", "plain", "not shown")
    assert (data["compared"], data["difference"]) == (BETTER, pytest.approx(1 / 64))  # one of 64 rows in each fold
    assert data["difference_low"] < 0 < data["difference_high"]
    assert data["score"] == study.estimate("plain").to_dict()
    assert list(data["test"]) == ["plain", BETTER, "difference"]
    assert data["sentence"].startswith("Nothing is shown to predict better than the plain network: gains above ")
    assert load_run(tmp_path).recipe == Recipe.load(str(tmp_path / "recipe.yaml")) == Recipe()
    x = design(TWO, iris).folds[0].split().test.x
    assert torch.equal(load_run(tmp_path).outputs(x), load_run(tmp_path / "plain").outputs(x))


def test_the_definition_is_strict_json(study: Study, folder: Path) -> None:
    data = strict(folder / "study.json")
    assert data["format"] == 3
    assert data["rows"] == dict(study.rows)
    assert data["identity"]["protocol"] == {"folds": 2, "repeats": 1, "seed": 0}
    assert [recipe["label"] for recipe in data["identity"]["recipes"]] == study.labels
    assert data["identity"]["search"] == {}


def test_a_study_that_is_read_equals_the_one_that_was_run(
    iris: Dataset, quick: Training, rows_of: RowsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run_study(iris, "mlp:8", RECIPES, quick, protocol=TWO, folder=tmp_path / "s")
    monkeypatch.setattr("goodfit.study.training.run_jobs", refuse_training)
    read = load_study(tmp_path / "s")
    assert rows_of(read) == rows_of(ran)
    assert answer(read) == answer(ran)
    assert read.best() == ran.best() is not None
    assert read.recommended() == ran.recommended()
    assert read.notes == ran.notes
    assert read.metrics_frame().equals(ran.metrics_frame())
    assert read.verdict() == ran.verdict()
    repeated = run_study(iris, "mlp:8", RECIPES, quick, protocol=TWO, folder=tmp_path / "s")
    assert rows_of(repeated) == rows_of(ran)


def test_results_follow_from_the_files_of_fits(study: Study, folder: Path, tmp_path: Path) -> None:
    save_results(study, tmp_path)
    for name in ("fits.csv", "ranking.csv", "metrics.csv", "answer.json", "recipe.yaml", "best/run.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_saving_removes_what_a_killed_process_has_left(study: Study, tmp_path: Path) -> None:
    (tmp_path / "fits.csv.part").write_text("half a")
    save_results(study, tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_saving_replaces_earlier_results_of_either_kind(study: Study, tmp_path: Path) -> None:
    save_run(study.run_of("l2=0.01"), tmp_path)
    save_results(study, tmp_path)
    assert not (tmp_path / "run.json").exists()
    assert load_run(tmp_path).recipe == Recipe.of(BETTER)
    save_run(study.run_of("l2=0.01"), tmp_path, force=True)
    assert load_run(tmp_path).recipe.text() == "l2=0.01"
    assert not (tmp_path / "plain" / "run.json").exists()


def test_without_a_finished_fit_only_the_table_of_fits_is_written(study: Study, tmp_path: Path) -> None:
    save_results(dataclasses.replace(study, fits=[], runs={}), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["fits.csv"]


def test_a_users_own_network_is_needed_for_its_weights_alone(iris: Dataset, quick: Training, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    ran = run_study(iris, net, ["l2=1e-2"], quick, protocol=TWO, folder=tmp_path / "s")
    without = load_study(tmp_path / "s")
    assert without.frame().drop(columns="seconds").equals(ran.frame().drop(columns="seconds"))
    with pytest.raises(NetworkNeeded, match="holds the weights of your own network"):
        without.run_of("plain")
    x = iris.split().test.x
    assert torch.equal(load_study(tmp_path / "s", net).run_of("plain").outputs(x), ran.run_of("plain").outputs(x))
    save_results(without, tmp_path / "s")
    assert (tmp_path / "s" / "answer.json").exists()


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"study: there is no study in '.*'; choose the folder of one"):
            load_study(folder)
