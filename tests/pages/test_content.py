"""The content of documentation pages."""

from __future__ import annotations

import doctest

import pytest

from goodfit import pages, techniques
from goodfit.technique import Technique

EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())


def test_sections_notes_and_stage(sample: type[Technique]) -> None:
    read = pages.page(sample)
    assert (read.title, read.stage) == ("Sample", "OnWeights")
    assert read.summary == "Adds a * b to the cost, where a < b."
    assert read.notes == ("A paragraph without a label, over two lines.",)
    assert list(read.sections) == ["Formula", "Helps when", "Reference", "Differs from the paper"]
    assert read.sections["Formula"] == "cost = loss + a * b · Σ|w| over two lines, with `a * b` as code."
    assert list(read.closing()) == ["Reference", "Differs from the paper"]
    assert list(read.opening()) == ["Formula", "Helps when"]


def test_knobs_in_words(sample: type[Technique]) -> None:
    strength, kind, often, on, schedule = pages.page(sample).knobs
    assert (strength.default, strength.rule, strength.search) == ("1e-5", "in [0, inf)", "1e-6 to 0.01, log")
    assert (strength.neutral, strength.unit, strength.main) == ("0", "loss per |w|", True)
    assert (kind.default, kind.search, kind.main) == ("'near'", "'near', 'far'", False)
    assert (often.default, often.rule, often.search, often.neutral) == ("true", "true or false", "", "")
    assert on.doc.startswith("which tensors")
    assert (schedule.name, schedule.default) == ("schedule", "'constant'")


def test_other_constructors(sample: type[Technique]) -> None:
    assert pages.page(sample).constructors == (("Sample.twice(strength, on='kernel')", "Of twice the strength."),)


def test_example_brings_its_imports() -> None:
    lines = pages.page(techniques.MixUp).example.splitlines()
    imports = ["import torch", "from goodfit.data.inputs import Inputs", "from goodfit.techniques import MixUp"]
    assert lines[:3] == [f">>> {line}" for line in imports]
    assert pages.page(techniques.EarlyStopping).example.startswith(">>> from goodfit.techniques import EarlyStopping\n")


def test_effect_is_read_if_it_was_measured(sample: type[Technique]) -> None:
    effect = pages.page(techniques.L2).effect
    assert effect is not None
    assert "stop loss" in effect.caption
    assert effect.origin.startswith("Measured on 200 training")
    assert pages.page(sample).effect is None


@EVERY
def test_every_example_runs_as_shown(technique: type[Technique]) -> None:
    example = pages.page(technique).example
    test = doctest.DocTestParser().get_doctest(example + "\n", {}, technique.name(), None, None)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
