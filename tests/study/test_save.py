"""A saved study: its files, their contents and their format versions."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml

from goodfit.data import Dataset
from goodfit.recipe import Recipe
from goodfit.store import load_run, save_run
from goodfit.study import Study, run_study
from goodfit.study.save import save_study
from goodfit.train.config import Training


@pytest.fixture(scope="module")
def study(iris: Dataset, quick: Training) -> Study:
    return run_study(iris, "mlp:8", ["l2=1e-2", "batch_norm, max_norm=inf"], quick, seeds=2)


def test_files(study: Study, iris: Dataset, tmp_path: Path) -> None:
    save_study(study, tmp_path)
    names = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    of_run = {"run.json", "recipe.yaml", "best.safetensors", "last.safetensors"}
    tables = {"runs.csv", "ranking.csv", "study.json", "recipe.yaml"}
    assert names == tables | {f"{f}/{n}" for f in ("best", "plain") for n in of_run}
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["recipe"], r["seed"]) for r in rows] == [(o.candidate.label, str(o.seed)) for o in study.trials]
    assert [float(r["score"]) for r in rows] == [o.score for o in study.trials]
    with (tmp_path / "ranking.csv").open() as file:
        assert [r["recipe"] for r in csv.DictReader(file)] == [r.candidate.label for r in study.ranking()]


def test_loading_a_study_folder_returns_its_best_run(study: Study, iris: Dataset, tmp_path: Path) -> None:
    save_study(study, tmp_path)
    best, x = study.ranking()[0].candidate.label, iris.split(0).test.x
    assert torch.equal(load_run(tmp_path).outputs(x), study.run_of(best).outputs(x))
    assert torch.equal(load_run(tmp_path / "plain").outputs(x), study.run_of("plain").outputs(x))


def test_the_recipe_file_trains_again(study: Study, tmp_path: Path) -> None:
    save_study(study, tmp_path)
    best = study.ranking()[0].candidate.recipe
    assert Recipe.load(str(tmp_path / "recipe.yaml")) == best
    data = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    assert data["format"] == 1
    assert data["network"] == "mlp:8"
    assert Training.of(data["training"]) == study.training


def test_json_is_strict_and_complete(study: Study, tmp_path: Path) -> None:
    save_study(study, tmp_path)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    data = json.loads((tmp_path / "study.json").read_text(), parse_constant=refuse)
    assert data["format"] == 1
    assert len(data["runs"]) == len(study.trials)
    assert data["runs"][0]["history"]["stop_loss"] == study.trials[0].run.history["stop_loss"]  # type: ignore[union-attr]
    assert data["rows"] == study.rows


def test_saving_replaces_earlier_results_of_either_kind(study: Study, tmp_path: Path) -> None:
    save_run(study.run_of("l2=0.01"), tmp_path)
    save_study(study, tmp_path)
    assert not (tmp_path / "run.json").exists()
    assert load_run(tmp_path).recipe == study.ranking()[0].candidate.recipe
    save_run(study.run_of("l2=0.01"), tmp_path, force=True)
    assert load_run(tmp_path).recipe.text() == "l2=0.01"
    assert not (tmp_path / "plain" / "run.json").exists()
