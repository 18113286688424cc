"""SIGTERM and SIGHUP end a command like Ctrl-C: results are kept, no process is left, exit codes 143 and 129."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from goodfit.cli.termination import ended_like_ctrl_c

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
NO_COMPILER = """
from goodfit.cli import main
from goodfit.train.population.calls import Calls

Calls.worth_compiling = lambda calls, seconds: False
main()
"""
"""The command line; compiling takes longer than the tests."""
two_cores = pytest.mark.skipif(
    sys.platform == "linux" and len(os.sched_getaffinity(0)) < 2, reason="a single core has a single worker"
)


def finished_fits(folder: Path) -> list[Path]:
    """The files of the finished fits of a study."""
    return list((folder / "predictions").glob("*.safetensors"))


@pytest.fixture
def study(
    process: Callable[..., subprocess.Popen[str]], wait_until: Callable[..., None], csv: Path
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A study in two workers, and its folder; some of its fits are finished, the others do not end."""
    out = csv.parent / "study"
    recipes = ("--recipe", "early_stopping=1", "--recipe", "l2=1e-3")
    options = (
        "--target",
        "kind",
        "--model",
        "mlp:4",
        *recipes,
        "--learning-rate",
        0.3,
        "--epochs",
        10**7,
        "--population",
        "--threads",
        2,
    )
    started = process("study", csv, *options, "--out", out, code=("-c", NO_COMPILER))
    try:
        wait_until(lambda: bool(finished_fits(out)), started)
        yield started, out
    finally:
        started.kill()
        started.communicate()


@two_cores
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_study_is_kept(
    study: tuple[subprocess.Popen[str], Path],
    children_of: Callable[[int], list[int]],
    wait_for_end: Callable[[Sequence[int]], None],
    number: signal.Signals,
    code: int,
) -> None:
    started, out = study
    children = children_of(started.pid)
    assert len(children) >= 2
    started.send_signal(number)
    printed, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (code, "")
    assert "fits are finished; the same command continues the study" in printed
    assert len(pd.read_csv(out / "fits.csv")) >= 1
    assert (out / "report.html").exists()
    assert not list(out.rglob("*.part"))
    wait_for_end(children)


@two_cores
def test_a_killed_study_leaves_no_process(
    study: tuple[subprocess.Popen[str], Path],
    children_of: Callable[[int], list[int]],
    wait_for_end: Callable[[Sequence[int]], None],
) -> None:
    started, out = study
    children = children_of(started.pid)
    assert len(children) >= 2
    started.kill()
    started.communicate(timeout=60)
    wait_for_end(children)
    assert finished_fits(out)


def test_a_closed_terminal_ends_a_fit_that_is_kept(
    goodfit: Callable[..., Any], csv: Path, wait_for_end: Callable[[Sequence[int]], None]
) -> None:
    out = csv.parent / "run"
    fit = ("fit", csv, "--target", "kind", "--model", "mlp:4", "--epochs", 10**7, "--every", 1, "--out", out)
    started, terminal = pty.fork()
    if not started:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-m", "goodfit", *map(str, fit)])
    ready = out / "checkpoints" / "epoch-0001.safetensors"
    while not ready.exists():
        os.read(terminal, 4096)  # raises an error if the process has ended
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(started, 0)[1]) == 129
    assert (out / "report.html").exists()
    assert goodfit("diagnose", out).code == 0


def test_signals_that_are_ignored_stay_ignored() -> None:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with ended_like_ctrl_c():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with(code: int) -> None:
    """End a command with an exit code after a signal."""
    with ended_like_ctrl_c():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise SystemExit(code)


def test_other_exit_codes_and_handlers_are_as_before() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit, match="143"):
            end_with(130)
        with pytest.raises(SystemExit, match="2"):
            end_with(2)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_changes_no_handler() -> None:
    def enter() -> None:
        with ended_like_ctrl_c():
            handlers.append(signal.getsignal(signal.SIGTERM))

    handlers: list[Any] = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
