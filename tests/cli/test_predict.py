"""The command predict on tables."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from goodfit import load, load_run

Cli = Callable[..., Any]


def test_predictions_of_classes(goodfit: Cli, csv: Path, table: pd.DataFrame, folder: Path) -> None:
    rows, out = csv.parent / "new.csv", csv.parent / "deep" / "predictions.csv"
    table.drop(columns="kind").to_csv(rows, index=False)
    text = goodfit("predict", folder, rows, "--out", out).ok()
    assert text.strip() == f"80 predictions in {out}"
    frame = pd.read_csv(out)
    assert list(frame.columns) == ["kind", "p_round", "p_square"]
    run = load_run(folder)
    assert run.preprocessing is not None
    x = torch.from_numpy(run.preprocessing.transform(table.drop(columns="kind")))
    assert frame["kind"].tolist() == run.predict(x)
    assert frame["p_round"].to_numpy() == pytest.approx(run.probabilities(x)[:, 0])
    assert (frame["p_round"] + frame["p_square"]).to_numpy() == pytest.approx(1.0)
    printed = goodfit("predict", folder, csv).ok()  # the target's column may stay; standard output is the same table
    assert printed == out.read_text()


def test_predictions_of_numbers_are_in_the_units_of_the_target(goodfit: Cli, tmp_path: Path) -> None:
    out = tmp_path / "run"
    goodfit("fit", "diabetes", "--model", "mlp:8", "--epochs", 2, "--out", out).ok()
    frame = pd.read_csv(io.StringIO(goodfit("predict", out, "diabetes").ok()))
    assert list(frame.columns) == ["target"]
    truth = load("diabetes").y
    assert len(frame) == len(truth)
    assert frame["target"].mean() == pytest.approx(truth.mean(), rel=0.2)


def test_predict_refuses_in_one_line(goodfit: Cli, csv: Path, table: pd.DataFrame, folder: Path) -> None:
    other, kept = csv.parent / "other.csv", csv.parent / "kept.csv"
    table.rename(columns={"width": "wide"}).to_csv(other, index=False)
    kept.write_text("mine")
    for arguments, text in (
        ((other,), "the table has no column 'width'"),
        ((csv.parent / "absent.csv",), "there is no file"),
        ((csv, "--out", kept), "exists; choose another file or overwrite with --force"),
        ((csv, "--out", kept / "sub.csv"), "is a file; name a folder"),
    ):
        result = goodfit("predict", folder, *arguments)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert text in result.err
    assert kept.read_text() == "mine"
    goodfit("predict", folder, csv, "--out", kept, "--force").ok()
    assert kept.read_text().startswith("kind,")
