"""Run commands in this process or in a new process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.cli import main

TWO_FOLDS = ("--folds", 2, "--repeats", 1)


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    def ok(self) -> str:
        """Return the output of a command that must succeed."""
        assert (self.code, self.err) == (0, "")
        return self.out


@pytest.fixture
def goodfit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run `goodfit ARGUMENTS` in this process."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["goodfit", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        code = ended.value.code
        return Result(0 if code is None else int(code), output.out, output.err)

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[str]]:
    """Start `python -m goodfit ARGUMENTS` with warnings as errors.

    Except ResourceWarning: Ctrl-C inside of `open` leaves the file to the garbage collector.
    """
    warnings = ("-W", "error", "-W", "ignore::ResourceWarning")

    def start(*arguments: object, code: Sequence[str] = ("-m", "goodfit")) -> subprocess.Popen[str]:
        environment = os.environ | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [sys.executable, *warnings, *code, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            preexec_fn=_default_signals,
        )  # fmt: skip

    return start


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], subprocess.Popen[str]], None]:
    """Wait for a condition while a process runs, at most 90 seconds."""

    def wait(condition: Callable[[], bool], started: subprocess.Popen[str]) -> None:
        end = time.monotonic() + 90
        while not condition():
            assert started.poll() is None, started.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)

    return wait


def _default_signals() -> None:
    """Handle signals even if the tests run as a background job, which ignores Ctrl-C, or with `nohup`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """Eighty rows with two numbers and two classes."""
    rng = np.random.default_rng(0)
    kind = np.where(np.arange(80) % 2 == 1, "round", "square")
    shift = np.where(kind == "round", 1.0, -1.0)
    return pd.DataFrame({"width": shift + rng.normal(size=80), "height": rng.normal(size=80), "kind": kind})


@pytest.fixture
def csv(table: pd.DataFrame, tmp_path: Path) -> Path:
    """The table as a CSV file."""
    path = tmp_path / "shapes.csv"
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def folder(goodfit: Callable[..., Result], csv: Path) -> Path:
    """The folder of a finished study of two recipes."""
    out = csv.parent / "study"
    options = ("--target", "kind", "--model", "mlp:8", "--epochs", 3, *TWO_FOLDS, "--recipe", "l2=1e-2")
    result = goodfit("study", csv, *options, "--out", out)
    assert (result.code, result.err) == (0, "")
    return out
