"""The progress bar: shown on terminals or on request, with its title, numbers, unit and note."""

from __future__ import annotations

import io
import subprocess
import sys
import threading

import pytest

from goodfit import progress
from goodfit.progress import ManyProgress, ProgressBar, RunProgress, _Bar, _Lines, track


def test_a_shown_bar(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(3, "training", "epochs", show=True) as bar:
        bar.update(completed=1, note="loss 0.5")
        bar.update(advance=1)
    shown = capfd.readouterr().err
    assert all(text in shown for text in ("training", "2/3", "epochs", "loss 0.5"))


def test_lines_where_standard_error_is_no_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ProgressBar(3, "training", "epochs") as bar:
        bar.update(completed=3, note="loss 0.5")
    assert capfd.readouterr().err == ""  # it took less than the interval
    monkeypatch.setattr(progress, "INTERVAL", 0.01)
    monkeypatch.setattr(sys, "stderr", recorder := Recorder())
    with ProgressBar(3, "training", "epochs") as bar:
        bar.update(completed=1, note="loss 0.5")
        bar.update(advance=2)
        assert recorder.written.wait(60)
    assert recorder.getvalue().startswith("training: ")
    for thread in threading.enumerate():
        if thread.name == "goodfit-progress":
            thread.join(60)
            assert not thread.is_alive()


class Recorder(io.StringIO):
    """Standard error that says when something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def test_a_line_says_how_far_and_how_long() -> None:
    lines = _Lines(20, "study of credit-g", "epochs")
    assert lines.line(5.0) == "study of credit-g: 0/20 epochs"
    lines.update(5, None, "best: dropout 0.75")
    assert lines.line(60.0) == "study of credit-g: 5/20 epochs  best: dropout 0.75  about 3 min left"
    lines.update(None, 15, None)
    assert lines.line(60.0) == "study of credit-g: 20/20 epochs  best: dropout 0.75"


def test_iterating_with_a_bar(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], "reading", show=True)) == [1, 2, 3]
    assert "3/3" in capfd.readouterr().err
    assert list(track(iter("ab"), "reading", total=2, show=False)) == ["a", "b"]
    assert capfd.readouterr().err == ""


def test_a_bar_ends_with_an_error() -> None:
    bar = ProgressBar(3, "training", show=True)
    with pytest.raises(ZeroDivisionError), bar:
        raise ZeroDivisionError
    assert isinstance(bar._display, _Bar)
    assert bar._display.progress.live.is_started is False


def test_a_hidden_bar_does_not_import_rich() -> None:
    code = (
        "import sys; from goodfit.progress import track; list(track([1], 'x', show=False)); "
        "raise SystemExit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_bar_of_a_run_shows_losses_metric_and_gap(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    row = {"train_loss": 0.5, "stop_loss": 0.75, "train_accuracy": 0.9, "stop_accuracy": 0.8}
    with RunProgress(3, "accuracy", show=True) as bar:
        bar.show(2, row)
    shown = "".join(capfd.readouterr().err.split())
    for text in ("training", "2/3", "loss0.5000/0.7500", "accuracy0.9000/0.8000", "gap+0.1000"):
        assert text in shown


@pytest.mark.parametrize(("higher_is_better", "best"), [(True, 0.7), (False, 0.2)])
def test_the_bar_of_many_runs_counts_runs_and_keeps_the_best_finite_score(higher_is_better: bool, best: float) -> None:
    with ManyProgress(2, 10, "accuracy", higher_is_better, show=False) as bar:
        bar.add_epoch(members=2, steps=8, seconds=2.0, scores=[0.5, float("nan")])
        bar.add_epoch(members=2, steps=8, seconds=2.0, scores=[0.7, 0.2])
        bar.add_run(remaining_epochs=4)
    assert (bar.finished, bar.members, bar.steps, bar.seconds) == (1, 2, 16, 4.0)
    assert bar.best == best


def test_the_bar_of_many_runs_shows_its_numbers(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with ManyProgress(2, 10, "accuracy", True, show=True, title="study") as bar:
        bar.add_epoch(members=2, steps=8, seconds=2.0, scores=[0.5, 0.6])
        bar.add_run(remaining_epochs=4)
    shown = "".join(capfd.readouterr().err.split())
    for text in ("study", "6/10", "1of2runs", "2intraining", "bestaccuracy0.6000", "4steps/s"):
        assert text in shown
