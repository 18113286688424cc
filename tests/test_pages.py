"""Documentation pages: their content, and the special characters of Markdown and terminals."""

from __future__ import annotations

import doctest
import io
import re
from typing import Any

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console
from torch import Tensor

from goodfit import pages, techniques
from goodfit.reference import Reference
from goodfit.stages import OnSample, Penalty, selector
from goodfit.technique import Technique, knob

EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())


class Sample(Penalty):
    """Adds a * b to the cost, where a < b.

    A paragraph without a label,
    over two lines.

    Formula: cost = loss + a * b · Σ|w|
    over two lines, with `a * b` as code.
    Helps when: there is much to be seen.
    Differs from the paper: in everything.

    >>> Sample().strength
    1e-05
    """

    references = (
        Reference(authors=("A. Author",), title="A title", year=2020, url="https://example.org/a_b*c"),
        Reference(authors=("B. Author",), title="Another", year=2021, topic="second", url="https://example.org/d"),
    )
    strength: float = knob(1e-5, low=0, search=(1e-6, 1e-2), log=True, neutral=0.0, unit="loss per |w|", doc="a * |w|")
    kind: str = knob("near", choices=("near", "far"), search=("near", "far"), doc="which")
    often: bool = knob(True, doc="whether")
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.abs().sum()

    @classmethod
    def twice(cls, strength: float, on: str = "kernel") -> Technique:
        """Of twice the strength.

        And more that is not shown.
        """
        return cls(2 * strength, on=on)


class Bare(OnSample):
    """Does nothing."""

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        return rows


def drawn(renderable: Any, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


# ---- reading --------------------------------------------------------------------------------------


def test_sections_notes_and_stage() -> None:
    read = pages.page(Sample)
    assert (read.title, read.stage) == ("Sample", "OnWeights")
    assert read.summary == "Adds a * b to the cost, where a < b."
    assert read.notes == ("A paragraph without a label, over two lines.",)
    assert list(read.sections) == ["Formula", "Helps when", "Reference", "Differs from the paper"]
    assert read.sections["Formula"] == "cost = loss + a * b · Σ|w| over two lines, with `a * b` as code."
    assert list(read.closing()) == ["Reference", "Differs from the paper"]
    assert list(read.opening()) == ["Formula", "Helps when"]


def test_knobs_in_words() -> None:
    strength, kind, often, on, schedule = pages.page(Sample).knobs
    assert (strength.default, strength.rule, strength.search) == ("1e-5", "in [0, inf)", "1e-6 to 0.01, log")
    assert (strength.neutral, strength.unit, strength.main) == ("0", "loss per |w|", True)
    assert (kind.default, kind.search, kind.main) == ("'near'", "'near', 'far'", False)
    assert (often.default, often.rule, often.search, often.neutral) == ("true", "true or false", "", "")
    assert on.doc.startswith("which tensors")
    assert (schedule.name, schedule.default) == ("schedule", "'constant'")


def test_other_constructors() -> None:
    assert pages.page(Sample).constructors == (("Sample.twice(strength, on='kernel')", "Of twice the strength."),)


def test_example_brings_its_imports() -> None:
    lines = pages.page(techniques.MixUp).example.splitlines()
    imports = ["import torch", "from goodfit.data.inputs import Inputs", "from goodfit.techniques import MixUp"]
    assert lines[:3] == [f">>> {line}" for line in imports]
    assert pages.page(techniques.EarlyStopping).example.startswith(">>> from goodfit.techniques import EarlyStopping\n")


def test_effect_is_read_if_it_was_measured() -> None:
    effect = pages.page(techniques.L2).effect
    assert effect is not None
    assert "stop loss" in effect.caption
    assert effect.origin.startswith("Measured on 200 training")
    assert pages.page(Sample).effect is None


# ---- Markdown -------------------------------------------------------------------------------------


def test_markdown_escapes_special_characters() -> None:
    text = pages.markdown(Sample)
    assert "Adds a \\* b to the cost, where a \\< b." in text
    assert "**Formula:** cost = loss + a \\* b · Σ|w| over two lines, with `a * b` as code." in text
    assert "| a \\* \\|w\\| |" in text
    assert "Bold: the knob that `sample=value` sets" in text


def test_links_end_before_punctuation() -> None:
    text = pages.markdown(Sample)
    assert "<https://example.org/a_b*c>; second: B. Author" in text
    assert "<https://example.org/d>\n" in text


def test_effect_has_its_figure() -> None:
    text, effect = pages.markdown(techniques.L2), pages.page(techniques.L2).effect
    assert effect is not None
    numbers = "Numbers: [l2.json](figures/l2.json)."
    assert f"## Measured effect\n\n![{effect.caption}](figures/l2.svg)\n\n{effect.origin} {numbers}\n" in text
    assert f"Measured effect\n{effect.caption}\n" in drawn(pages.terminal(techniques.L2))
    assert "Measured effect" not in pages.markdown(Sample) + drawn(pages.terminal(Sample))


def test_page_of_a_technique_without_documentation() -> None:
    text = pages.markdown(Bare)
    assert "## Knobs\n\nNone." in text
    assert "## Example" not in text
    assert "## Sources" not in text
    assert "none" in drawn(pages.terminal(Bare))


@EVERY
def test_every_page_is_complete(technique: type[Technique]) -> None:
    text = pages.markdown(technique)
    for part in (f"# {technique.__name__}\n", "**Formula:**", "**Helps when:**", "**Reference:**", "## Example"):
        assert part in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(technique.knobs())
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert text.endswith(".\n")
    assert "\n\n\n" not in text


@EVERY
def test_every_example_runs_as_shown(technique: type[Technique]) -> None:
    example = pages.page(technique).example
    test = doctest.DocTestParser().get_doctest(example + "\n", {}, technique.name(), None, None)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_overview_lists_every_technique_once_in_the_order_of_a_step() -> None:
    text = pages.overview(techniques.ALL.values())
    for name, technique in techniques.ALL.items():
        assert text.count(f"[{technique.__name__}]({name}.md)") == 1
    titles = re.findall(r"^## (.*)", text, re.MULTILINE)
    known = [title for _, title in pages.STAGES.values()]
    assert titles == sorted(titles, key=known.index)
    assert len(titles) == len({t.stage() for t in techniques.ALL.values()})


# ---- the terminal ---------------------------------------------------------------------------------


def test_terminal_says_the_same() -> None:
    text = drawn(pages.terminal(Sample))
    for part in ("a < b.", "Formula: cost = loss + a * b", "1e-6 to 0.01, log", "[0, inf)", "a * |w| (loss per |w|)"):
        assert part in text
    assert "Sample.twice(strength, on='kernel'): Of twice the strength." in text
    assert "https://example.org/a_b*c;" in text
    assert "`" not in text


@EVERY
@pytest.mark.parametrize("width", [60, 110])
def test_terminal_fits(technique: type[Technique], width: int) -> None:
    text = drawn(pages.terminal(technique), width)
    assert max(map(cell_len, text.splitlines())) <= width
    for name in technique.knobs():
        assert name in text


def test_catalogue_has_a_row_for_each() -> None:
    text = drawn(pages.catalogue_table(techniques.ALL.values()))
    for name in techniques.ALL:
        assert re.search(rf"\b{name}\b", text)
    assert text.count("training batches") == 1
