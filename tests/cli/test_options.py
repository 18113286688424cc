"""Options that are made from knobs, and modules of users."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goodfit.cli.options import LOADING, TRAINING, load_options
from goodfit.data.options import Clips, Images, Options, Series, Sounds, Tables, Texts
from goodfit.errors import InputError
from goodfit.train.config import Training

Cli = Callable[..., Any]


def test_every_knob_is_an_option() -> None:
    assert set(TRAINING.knobs()) == set(Training.knobs())
    assert {each.name for each in LOADING.parameters()} == {
        "damaged", "whiten", "size", "rate", "seconds", "mono", "frames", "column",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["study", "fit", "augment", "predict"])
def test_help_shows_the_knobs(goodfit: Cli, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = " ".join(goodfit(command, "--help").out.split())
    assert "(one of refuse, skip; default: refuse)." in text
    assert "--import" in text
    if command != "predict":
        assert (
            "Height and width of all images or clips; one number sets both (Images, Clips; pixels; at least 1)." in text
        )
        assert "--no-mono" in text
    if command in ("study", "fit"):
        assert "Linear warm-up of the learning rate (share of all steps; in [0, 1))." in text
        assert "--learning-rate" in text


def test_records_from_options() -> None:
    def records(kind: str | None = None, **values: Any) -> list[Options]:
        return load_options(kind, {"damaged": None, "size": None, "rate": None, **values})

    assert records() == []
    assert records(damaged="skip") == [Options(damaged="skip")]
    assert records(size=8) == [Images(size=8), Clips(size=8)]
    assert records(size=8, rate=10) == [Clips(size=8, rate=10)]
    assert records(mono=False) == [Sounds(mono=False)]
    assert records(column="words") == [Texts(column="words")]
    assert records(whiten=0.1) == [Series(whiten=0.1), Images(whiten=0.1), Clips(whiten=0.1), Sounds(whiten=0.1)]
    assert records("table") == [Tables()]
    assert records("video", size=(4, 6), damaged="skip") == [Clips(size=(4, 6), damaged="skip")]
    with pytest.raises(InputError, match="load: --frames and --mono are options of different kinds of data"):
        records(frames=4, mono=False)
    with pytest.raises(InputError, match=r"--kind image: --rate cannot be used with this kind of data"):
        records("image", rate=8000)
    with pytest.raises(InputError, match=r"--kind: kind must be one of .* got 'imgae'\. Did you mean 'image'"):
        records("imgae")


def unboxed(text: str) -> str:
    """Return an error of typer without its frame and line breaks."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def test_sizes(goodfit: Cli) -> None:
    result = goodfit("augment", "digits", "--recipe", "shift=0.1", "--size", "4xa")
    assert result.code == 2
    assert "it must be a whole number or HEIGHTxWIDTH, got '4xa'" in unboxed(result.err)
    for text in ("--5", "²", "4x²", "x"):
        result = goodfit("augment", "digits", "--recipe", "shift=0.1", f"--size={text}")
        assert (result.code, "it must be a whole number or HEIGHTxWIDTH" in unboxed(result.err)) == (2, True)
    result = goodfit("augment", "digits", "--recipe", "shift=0.1", "--size", "0")
    assert result.code == 2
    assert "Images: size must be a whole number in [1, inf), two of these numbers, or None, got size=0" in result.err
    result = goodfit("augment", "iris", "--recipe", "swap_noise=0.1", "--size", "4x6")
    assert result.err == "goodfit: load: this is table data; size is for images and clips; leave it out.\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the current folder, which leaves its mark."""
    (tmp_path / "own_technique_module.py").write_text("import sys\nsys.own_mark = True\n")
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delitem(sys.modules, "own_technique_module", raising=False)
    return "own_technique_module"


@pytest.mark.parametrize("command", [["techniques", "dropout"], ["explain", "--recipe", "l2"], ["diagnose", "absent"]])
def test_modules_are_imported_from_the_current_folder(goodfit: Cli, module: str, command: list[str]) -> None:
    goodfit(*command, "--import", module)
    assert sys.own_mark  # type: ignore[attr-defined]
    del sys.own_mark  # type: ignore[attr-defined]


def test_modules_that_cannot_be_imported(goodfit: Cli, module: str) -> None:
    result = goodfit("techniques", "--import", "no_such_module")
    assert result.code == 2
    assert result.err == (
        "goodfit: --import: the module 'no_such_module' cannot be imported (ModuleNotFoundError: No module named "
        "'no_such_module').\n"
    )
    result = goodfit("techniques", "--import", module, "--import", "broken_module")
    assert result.err == (
        "goodfit: --import: the module 'broken_module' cannot be imported (ZeroDivisionError: division by zero).\n"
    )
