"""Documentation pages as Markdown, with its special characters."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from goodfit import pages, techniques
from goodfit.technique import Technique

EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())


def test_markdown_escapes_special_characters(sample: type[Technique]) -> None:
    text = pages.markdown(sample)
    assert "Adds a \\* b to the cost, where a \\< b." in text
    assert "**Formula:** cost = loss + a \\* b · Σ|w| over two lines, with `a * b` as code." in text
    assert "| a \\* \\|w\\| |" in text
    assert "Bold: the knob that `sample=value` sets" in text


def test_links_end_before_punctuation(sample: type[Technique]) -> None:
    text = pages.markdown(sample)
    assert "<https://example.org/a_b*c>; second: B. Author" in text
    assert "<https://example.org/d>\n" in text


def test_effect_has_its_figure(sample: type[Technique], drawn: Callable[..., str]) -> None:
    text, effect = pages.markdown(techniques.L2), pages.page(techniques.L2).effect
    assert effect is not None
    numbers = "Numbers: [l2.json](figures/l2.json)."
    assert f"## Measured effect\n\n![{effect.caption}](figures/l2.svg)\n\n{effect.origin} {numbers}\n" in text
    assert f"Measured effect\n{effect.caption}\n" in drawn(pages.terminal(techniques.L2))
    assert "Measured effect" not in pages.markdown(sample) + drawn(pages.terminal(sample))


def test_page_of_a_technique_without_documentation(bare: type[Technique], drawn: Callable[..., str]) -> None:
    text = pages.markdown(bare)
    assert "## Knobs\n\nNone." in text
    assert "## Example" not in text
    assert "## Sources" not in text
    assert "none" in drawn(pages.terminal(bare))


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


def test_overview_lists_every_technique_once_in_the_order_of_a_step() -> None:
    text = pages.overview(techniques.ALL.values())
    for name, technique in techniques.ALL.items():
        assert text.count(f"[{technique.__name__}]({name}.md)") == 1
    titles = re.findall(r"^## (.*)", text, re.MULTILINE)
    known = [title for _, title in pages.STAGES.values()]
    assert titles == sorted(titles, key=known.index)
    assert len(titles) == len({t.stage() for t in techniques.ALL.values()})
