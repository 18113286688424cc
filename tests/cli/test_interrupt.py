"""Ctrl-C: exit code 130, and all finished results are saved."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goodfit import load_run


def interrupt(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_before_the_first_epoch(
    goodfit: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("goodfit.train.trainer.Trainer.train_epoch", interrupt)
        patch.setattr("goodfit.train.population.vectorized.MemberBatch.train_epoch", interrupt)
        result = goodfit("fit", "iris", "--epochs", 3, "--out", tmp_path / "run")
        study = goodfit(
            "study", "iris", "--model", "mlp:4", "--epochs", 2, "--budget", "6trials", "--out", tmp_path / "study"
        )
    assert (result.code, result.err) == (130, "")
    assert "No epoch was finished" in result.out
    assert (study.code, study.err) == (130, "")
    assert "No fit was finished" in study.out
    assert not list((tmp_path / "study").rglob("*.html"))
    assert goodfit("diagnose", tmp_path / "run").code == 0
    assert goodfit("fit", "iris", "--epochs", 3, "--out", tmp_path / "run", "--resume").code == 0
    assert load_run(tmp_path / "run").epochs == 3


@pytest.mark.parametrize("place", ["goodfit.load", "goodfit.cli.work.save_run"])
def test_ctrl_c_outside_of_training(
    goodfit: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(place, interrupt)
    result = goodfit("fit", "iris", "--epochs", 1, "--out", tmp_path / "run")
    assert result.code == 130
    assert "Traceback" not in result.err


def test_an_interrupted_fit_is_saved_and_can_be_resumed(
    process: Callable[..., subprocess.Popen[str]],
    goodfit: Callable[..., Any],
    tmp_path: Path,
    wait_until: Callable[..., None],
) -> None:
    out = tmp_path / "run"
    fixed = ("fit", "digits", "--model", "mlp:16", "--batch-size", 256, "--out", out)
    started = process(*fixed, "--epochs", 1_000_000, "--every", 4)
    try:
        wait_until((out / "checkpoints" / "epoch-0004.safetensors").exists, started)
        started.send_signal(signal.SIGINT)
        printed, errors = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 130
    assert errors == ""
    assert "stopped: interrupted by the user" in printed
    run = load_run(out)
    assert run.epochs >= 4
    assert run.kept == "best"
    assert (out / "report.html").exists()
    assert not list(tmp_path.rglob("*.part"))
    result = goodfit("diagnose", out)
    assert (result.code, result.err) == (0, "")
    assert "the run (plain)" in result.out
    result = goodfit(*fixed, "--epochs", run.epochs + 2, "--resume")
    assert (result.code, result.err) == (0, "")
    assert load_run(out).epochs == run.epochs + 2
