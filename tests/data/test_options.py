"""Options of `load`: one record per kind, and what two of them share is declared once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from goodfit.data import Clips, Images, Options, Series, Sounds, Tables, Texts, load
from goodfit.data.options import RECORDS
from goodfit.errors import InputError


def test_every_option_is_declared_once() -> None:
    declared = {}
    for record in RECORDS:
        for name, knob in record.knobs().items():
            assert declared.setdefault(name, knob) is knob
            assert knob.doc


def test_shared_options() -> None:
    assert [set(record.knobs()) for record in (Tables, Texts, Series)] == [
        {"damaged"}, {"damaged", "column"}, {"damaged", "whiten"},
    ]  # fmt: skip
    assert set(Images.knobs()) == {"damaged", "whiten", "size"}
    assert set(Clips.knobs()) == {"damaged", "whiten", "size", "rate", "seconds", "frames"}
    assert set(Sounds.knobs()) == {"damaged", "whiten", "rate", "seconds", "mono"}


def test_sizes_may_be_pairs() -> None:
    assert Images(64).size == 64
    assert Images((48, np.int64(64))).size == (48, 64)
    assert repr(Sounds(rate=8000)) == "Sounds(rate=8000)"
    with pytest.raises(InputError, match="Images: size must be a whole number"):
        Images((48, 0))


def test_frames_follow_from_rate_and_seconds() -> None:
    assert Clips(rate=10, seconds=0.5).frames is None
    with pytest.raises(
        InputError,
        match=r"Clips: at most two of frames, rate and seconds may be set \(frames = rate · seconds\), got frames=",
    ):
        Clips(rate=10, seconds=0.5, frames=5)


def test_importing_options_imports_no_heavy_package() -> None:
    code = "import sys, goodfit.data.options as o; print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_options_that_are_no_record_are_refused() -> None:
    data = (np.zeros((20, 4)), np.arange(20) % 2)
    for wrong in ("image", {"size": 4}, 3):
        with pytest.raises(InputError, match=r"load: options must be a record such as Images"):
            load(data, options=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="got the class Tables"):
        load(data, options=Tables)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"load: target must be a column's name, got Tables; give options="):
        load(data, Tables())  # type: ignore[arg-type]


def test_one_record_chooses_the_kind_and_of_several_the_data_chooses() -> None:
    x, y = np.random.default_rng(0).normal(size=(20, 2, 8)), np.arange(20) % 2
    assert load((x, y)).kind == "series"
    assert load((x, y), options=Options(damaged="skip")).kind == "series"
    assert load((x, y), options=Sounds(rate=100)).rate == 100
    data = load((x, y), options=[Sounds(whiten=0.1), Series(whiten=0.2)])
    assert (data.kind, data.input_options.whiten) == ("series", 0.2)
    with pytest.raises(InputError, match="load: this is series data; whiten is for images and sounds; leave it out"):
        load((x, y), options=[Images(whiten=0.1), Sounds(whiten=0.1)])
    with pytest.raises(
        InputError, match="load: this is series data; the options are for rows and texts; leave them out"
    ):
        load((x, y), options=[Tables(), Texts()])
    with pytest.raises(InputError, match="load: the columns of a table cannot be sounds; give arrays"):
        load("iris", options=Sounds(rate=8000))
