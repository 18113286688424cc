"""The progress bar: shown on terminals or on request, with its title, numbers, unit and note."""

from __future__ import annotations

import subprocess
import sys

import pytest

from goodfit.progress import ProgressBar, track


def test_a_shown_bar(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(3, "training", "epochs", show=True) as bar:
        bar.update(completed=1, note="loss 0.5")
        bar.update(advance=1)
    shown = capfd.readouterr().err
    assert all(text in shown for text in ("training", "2/3", "epochs", "loss 0.5"))


def test_a_bar_is_hidden_where_standard_error_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(3, "training") as bar:
        bar.update(completed=3, note="loss 0.5")
    assert capfd.readouterr().err == ""


def test_iterating_with_a_bar(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], "reading", show=True)) == [1, 2, 3]
    assert "3/3" in capfd.readouterr().err
    assert list(track(iter("ab"), "reading", total=2, show=False)) == ["a", "b"]
    assert capfd.readouterr().err == ""


def test_a_bar_ends_with_an_error() -> None:
    bar = ProgressBar(3, "training", show=True)
    with pytest.raises(ZeroDivisionError), bar:
        raise ZeroDivisionError
    assert bar._progress is not None
    assert bar._progress.live.is_started is False


def test_a_hidden_bar_does_not_import_rich() -> None:
    code = (
        "import sys; from goodfit.progress import track; list(track([1], 'x', show=False)); "
        "raise SystemExit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
