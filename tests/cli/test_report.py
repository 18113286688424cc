"""The command report: results from the stored predictions of a study, without training."""

from __future__ import annotations

import csv as tables
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
RESULTS = ("fits.csv", "ranking.csv", "metrics.csv", "answer.json", "recipe.yaml", "report.html")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(autouse=True)
def no_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be trained once the study is finished."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("report must not train")

    for place in (
        "goodfit.train.population.scheduler.fit",
        "goodfit.train.population.scheduler.Population",
        "goodfit.study.training.run_jobs",
    ):
        monkeypatch.setattr(place, refuse)


def test_the_results_are_computed_anew(goodfit: Cli, folder: Path) -> None:
    before = {name: data for name, data in contents(folder).items() if name in RESULTS}
    assert set(before) == set(RESULTS)
    for name in RESULTS:
        (folder / name).unlink()
    text = goodfit("report", folder).ok()
    after = contents(folder)
    for name in set(RESULTS) - {"report.html"}:
        assert after[name] == before[name]
    assert f"goodfit report {folder}" in after["report.html"].decode()
    assert "accuracy on validation rows (higher is better), 2 folds × 1 repeat" in text
    assert "test score (measured once): plain" in text
    assert text.splitlines()[-1] == f"results in {folder}; open {folder / 'report.html'}"


def test_another_metric_has_a_report_of_its_own(goodfit: Cli, folder: Path) -> None:
    before = contents(folder)
    text = goodfit("report", folder, "--metric", "log_loss").ok()
    assert "log_loss on validation rows (lower is better)" in text
    after = contents(folder)
    assert set(after) - set(before) == {"report-log_loss.html"}
    assert {name: after[name] for name in before} == before
    assert f"goodfit report {folder} --metric log_loss" in after["report-log_loss.html"].decode()


def test_the_metric_of_the_study_is_no_other_metric(goodfit: Cli, folder: Path) -> None:
    goodfit("report", folder, "--metric", "accuracy").ok()
    assert not (folder / "report-accuracy.html").exists()
    assert f"goodfit report {folder}" in (folder / "report.html").read_text()


def test_the_file_may_be_elsewhere(goodfit: Cli, folder: Path, tmp_path: Path) -> None:
    before = (folder / "report.html").read_bytes()
    goodfit("report", folder, "--out", tmp_path / "deep" / "page.html").ok()
    assert (tmp_path / "deep" / "page.html").exists()
    assert (folder / "report.html").read_bytes() == before


def test_an_unfinished_study(goodfit: Cli, folder: Path) -> None:
    next(path for path in (folder / "predictions").iterdir()).unlink()
    text = goodfit("report", folder).ok()
    assert "3 of 4 fits are finished; the same command continues the study" in text
    assert "test score" not in text
    with (folder / "fits.csv").open() as file:
        assert len(list(tables.DictReader(file))) == 3
    data = json.loads((folder / "answer.json").read_text())
    assert (data["complete"], data["fits"], data["test"]) == (False, 3, {})
    assert "3 of 4 fits are finished" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("rmse", "metric: it must be one for classification, got 'rmse', which needs values; choose one of accuracy"),
        ("acuracy", "metric: there is no 'acuracy'. Did you mean 'accuracy'"),
        ("pinball_2", "the quantile of a pinball loss must be in (0, 1), got 'pinball_2'"),
    ],
)
def test_a_metric_of_another_task_is_refused(goodfit: Cli, folder: Path, metric: str, message: str) -> None:
    before = contents(folder)
    result = goodfit("report", folder, "--metric", metric)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert contents(folder) == before


def test_a_folder_without_a_study_is_refused(goodfit: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "absent"):
        result = goodfit("report", tmp_path / name)
        assert result.code == 2
        assert f"there is no study in '{tmp_path / name}'; choose the folder of one" in result.err
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_study_without_a_finished_fit_is_refused(goodfit: Cli, folder: Path) -> None:
    for path in (folder / "predictions").iterdir():
        path.unlink()
    result = goodfit("report", folder)
    assert result.code == 2
    assert "must have a fit that did not fail, got none. Wait until" in result.err


def test_a_file_in_the_way(goodfit: Cli, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = goodfit("report", folder, "--out", tmp_path / "file" / "report.html")
    assert result.code == 2
    assert "file' is a file; name a folder" in result.err
