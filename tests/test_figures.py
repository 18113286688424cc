"""Figures of the techniques' effects: that they are there and up to date, and that their sentences are true."""

from __future__ import annotations

import dataclasses
import importlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from goodfit import pages, techniques
from goodfit.technique import Technique
from goodfit.train.config import Training

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "techniques" / "figures"
EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())


@pytest.fixture(scope="module")
def effects() -> Iterator[Any]:
    """The modules of tools/effects by name."""

    class Modules:
        def __getattr__(self, name: str) -> ModuleType:
            return importlib.import_module(f"effects.{name}")

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        yield Modules()


# ---- what is there --------------------------------------------------------------------------------


@EVERY
def test_every_technique_has_a_figure_that_its_page_shows(technique: type[Technique], effects: Any) -> None:
    name, numbers = technique.name(), effects.captions.stored(technique.name())
    assert numbers is not None, f"run: python tools/figures.py {name}"
    sentence = effects.captions.caption(numbers)
    page = (FIGURES.parent / f"{name}.md").read_text(encoding="utf-8")
    assert f"![{sentence}](figures/{name}.svg)" in page
    assert f"[{name}.json](figures/{name}.json)" in page
    assert pages.page(technique).effect == pages.Effect(sentence, effects.captions.origin(numbers))


@EVERY
def test_every_figure_is_drawn_from_its_numbers(technique: type[Technique], effects: Any) -> None:
    assert effects.captions.is_drawn(technique), f"run: python tools/figures.py --draw {technique.name()}"


@EVERY
def test_every_figure_is_small_and_readable(technique: type[Technique]) -> None:
    path = FIGURES / f"{technique.name()}.svg"
    text = path.read_text(encoding="utf-8")
    assert len(text) < 15 * 1024
    ET.fromstring(text)
    assert min(map(float, re.findall(r"font-size: ([\d.]+)px", text))) >= 9  # points: the width is in them
    assert re.search(r'<svg[^>]*width="[\d.]+pt"', text)


def test_no_figure_is_of_no_technique() -> None:
    assert {path.stem for path in FIGURES.iterdir()} == set(techniques.ALL)


# ---- sentences ------------------------------------------------------------------------------------


def strength(stop: list[list[float]], plain: list[float], measured: str = "loss") -> dict[str, Any]:
    return {
        "technique": "l2", "measured": measured, "seeds": len(plain), "kind": "strength", "knob": "l2",
        "values": [1e-6, 0.1], "recipes": ["l2=1e-6", "l2=0.1"], "train": stop, "stop": stop,
        "without": {"train": plain, "stop": plain},
    }  # fmt: skip


def test_lowest_loss_of_the_values_tried(effects: Any) -> None:
    numbers = strength([[0.5, 0.5, 0.5], [0.2, 0.3, 0.4]], [0.4, 0.5, 0.6])
    assert effects.captions.caption(numbers) == (
        "Of the 2 values tried, l2=0.1 has the lowest stop loss: 0.3 against 0.5 without (3 seeds)."
    )


def test_a_gain_within_its_own_spread_is_called_open(effects: Any) -> None:
    numbers = strength([[0.5, 0.5], [0.2, 0.5]], [0.4, 0.6])  # gains 0.2 and 0.1, mean 0.15, spread 0.1
    assert effects.captions.caption(numbers).endswith("0.35 against 0.5 without (2 seeds).")
    numbers = strength([[0.5, 0.5], [0.1, 0.6]], [0.4, 0.6])  # gains 0.3 and 0, mean 0.15, spread 0.3
    sentence = effects.captions.caption(numbers)
    assert sentence.endswith("0.35 against 0.5 without, a difference that is not clear from 2 seeds.")


def test_the_caption_says_if_nothing_helps(effects: Any) -> None:
    numbers = strength([[0.7, 0.7], [0.6, 0.7]], [0.5, 0.5])
    assert effects.captions.caption(numbers) == (
        "None of the 2 values tried lowers the stop loss: at best 0.65 (l2=0.1), against 0.5 without (2 seeds)."
    )


def test_a_value_that_does_nothing_is_not_the_best_one(effects: Any) -> None:
    numbers = strength([[0.5, 0.5], [0.6, 0.6]], [0.5, 0.5])
    assert "at best 0.6 (l2=0.1)" in effects.captions.caption(numbers)
    numbers = strength([[0.5, 0.5], [0.5, 0.5]], [0.5, 0.5])
    assert effects.captions.caption(numbers) == "None of the 2 values tried changes the stop loss (2 seeds)."


def test_scores_are_better_when_higher(effects: Any) -> None:
    numbers = strength([[0.7, 0.7], [0.9, 0.9]], [0.8, 0.8], "balanced accuracy")
    sentence = effects.captions.caption(numbers)
    assert "l2=0.1 has the highest balanced accuracy on the stop rows: 0.9 against 0.8" in sentence
    numbers = strength([[0.7, 0.7], [0.6, 0.6]], [0.8, 0.8], "balanced accuracy")
    assert "raises the balanced accuracy on the stop rows: at best 0.7 (l2=1e-6)" in effects.captions.caption(numbers)


def test_with_and_without(effects: Any) -> None:
    curves = {"with": {"stop": [[9.0, 0.2], [9.0, 0.3]]}, "without": {"stop": [[9.0, 0.5], [9.0, 0.6]]}}
    numbers = {"kind": "presence", "measured": "loss", "recipe": "batch_norm", "seeds": 2, **curves}
    assert effects.captions.caption(numbers) == (
        "With batch_norm the stop loss at the end is 0.25 against 0.55 without (2 seeds)."
    )


@pytest.mark.parametrize(
    ("stopped", "part"),
    [
        ((True, True), "stops after 3 of 4 epochs and keeps the weights of epoch 1 and 2: stop loss 0.15 against 0.9"),
        ((True, False), "stops 1 of 2 runs, after 3 of 4 epochs, and keeps"),
        ((False, False), "does not stop within 4 epochs and keeps"),
    ],
)
def test_where_it_stops(stopped: tuple[bool, bool], part: str, effects: Any) -> None:
    stops = [{"epochs": 3, "kept": n, "stopped": s} for n, s in enumerate(stopped, start=1)]
    stop = [[0.1, 0.5, 0.6, 0.9], [0.5, 0.2, 0.6, 0.9]]
    numbers = {"kind": "stopping", "measured": "loss", "recipe": "up=3", "stops": stops, "without": {"stop": stop}}
    assert part in effects.captions.caption(numbers)


# ---- measuring and drawing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("technique", "kind"),
    [(techniques.L2, "strength"), (techniques.LayerNorm, "presence"), (techniques.EarlyStopping, "stopping")],
)
def test_measured_and_drawn_alike_each_time(
    technique: type[Technique], kind: str, effects: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    short = dataclasses.replace(effects.setups.setup(technique), training=Training(epochs=1, batch_size=64))
    monkeypatch.setattr(effects.measuring, "setup", lambda _: short)
    monkeypatch.setattr(effects.measuring, "SEEDS", 2)
    monkeypatch.setattr(effects.measuring, "STRENGTHS", 2)
    numbers = effects.measuring.measure(technique)
    assert (numbers["kind"], numbers["technique"]) == (kind, technique.name())
    assert numbers == effects.measuring.measure(technique)
    paths = tmp_path / "a.svg", tmp_path / "b.svg"
    for path in paths:
        effects.drawing.draw(technique, numbers, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert effects.captions.digest(technique, numbers) in paths[0].read_text(encoding="utf-8")


def test_values_tried_have_both_ends(effects: Any) -> None:
    grid = effects.measuring.grid
    assert grid(techniques.L2.knobs()["l2"]) == [1e-6, 1.8e-5, 0.00032, 0.0056, 0.1]
    assert grid(techniques.Dropout.knobs()["rate"]) == [0.0, 0.15, 0.3, 0.45, 0.6]
    assert grid(techniques.SnapshotEnsemble.knobs()["cycles"]) == [2, 4, 6, 8, 10]


def test_other_numbers_or_another_range_need_a_new_figure(
    effects: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects.captions, "FIGURES", tmp_path)
    L2, numbers = techniques.L2, strength([[0.5], [0.4]], [0.5])
    assert not effects.captions.is_drawn(L2)
    effects.captions.store("l2", numbers)
    assert effects.captions.stored("l2") == numbers
    (tmp_path / "l2.svg").write_text(effects.captions.digest(L2, numbers), encoding="utf-8")
    assert effects.captions.is_drawn(L2)
    effects.captions.store("l2", numbers | {"values": [1e-6, 0.2]})
    assert not effects.captions.is_drawn(L2)
    effects.captions.store("l2", numbers | {"stop": [[0.5], [0.3]]})
    assert not effects.captions.is_drawn(L2)
