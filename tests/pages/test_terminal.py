"""Documentation pages in a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from goodfit import pages, techniques
from goodfit.technique import Technique

EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())


def test_terminal_says_the_same(sample: type[Technique], drawn: Callable[..., str]) -> None:
    text = drawn(pages.terminal(sample))
    for part in ("a < b.", "Formula: cost = loss + a * b", "1e-6 to 0.01, log", "[0, inf)", "a * |w| (loss per |w|)"):
        assert part in text
    assert "Sample.twice(strength, on='kernel'): Of twice the strength." in text
    assert "https://example.org/a_b*c;" in text
    assert "`" not in text


@EVERY
@pytest.mark.parametrize("width", [60, 110])
def test_terminal_fits(technique: type[Technique], width: int, drawn: Callable[..., str]) -> None:
    text = drawn(pages.terminal(technique), width)
    assert max(map(cell_len, text.splitlines())) <= width
    for name in technique.knobs():
        assert name in text


def test_catalogue_has_a_row_for_each(drawn: Callable[..., str]) -> None:
    text = drawn(pages.catalogue_table(techniques.ALL.values()))
    for name in techniques.ALL:
        assert re.search(rf"\b{name}\b", text)
    assert text.count("training batches") == 1
