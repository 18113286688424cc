import base64
import dataclasses
import gzip
import itertools
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from goodfit.report.html import compressed_plotly, render, write
from goodfit.report.page import Page

EVIL = '<script>alert("x")</script>'


class Reader(HTMLParser):
    """Collects tags with their attributes, and fails on tags that are not closed in order."""

    VOID = ("meta", "br", "path", "circle", "input", "img", "link")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> does not close what is open"


def read(text: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader.tags


def figures_of(text: str) -> dict:
    match = re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)
    assert match
    return json.loads(match[1])["figures"]


@pytest.fixture(scope="module")
def text(page: Page) -> str:
    return render(page)


def test_the_page_is_self_contained(text: str) -> None:
    for tag, attributes in read(text):
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    own = text.replace(compressed_plotly(), "")
    assert not re.search(r"@import|url\(|https?://", own)


def test_plotly_is_included_once(text: str) -> None:
    assert text.count(compressed_plotly()) == 1
    assert gzip.decompress(base64.b64decode(compressed_plotly())).startswith(b"/**\n* plotly.js")


def test_the_page_without_plotly_is_small(text: str) -> None:
    assert len(text.encode()) < 2_600_000
    assert len(text.encode()) - len(compressed_plotly()) < 500_000


def test_headings_do_not_skip_levels(text: str) -> None:
    levels = [int(tag[1]) for tag, _ in read(text) if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_tables_and_figures_are_labelled(text: str) -> None:
    for tag, attributes in read(text):
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
        if "plot" in (attributes.get("class") or "").split():
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "section":
            assert f'id="{attributes["aria-labelledby"]}"' in text


def test_user_texts_are_escaped(page: Page) -> None:
    first = dataclasses.replace(page.ranking[0], label=EVIL, recipe=EVIL + "!", note=EVIL, verdict=EVIL)
    finding = dataclasses.replace(page.verdict.findings[0], title=EVIL, evidence=EVIL, weight=EVIL)
    evil = dataclasses.replace(
        page,
        title=EVIL,
        facts=((EVIL, EVIL),),
        ranking=(first, *page.ranking[1:]),
        curves=(dataclasses.replace(page.curves[0], label=EVIL, metric=EVIL), *page.curves[3:]),
        weights=(dataclasses.replace(page.weights[0], label=EVIL), *page.weights[1:]),
        verdict=dataclasses.replace(page.verdict, label=EVIL, findings=(finding,), next_steps=(EVIL,)),
        reproduce=((EVIL, EVIL),),
        notes=(EVIL,),
    )
    text = render(evil)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert sum(tag == "script" for tag, _ in read(text)) == 3
    assert figures_of(text)


def test_values_that_are_not_finite_become_null(page: Page) -> None:
    series = (math.nan, math.inf, -math.inf, 0.5)
    broken = dataclasses.replace(
        page.curves[0], epochs=(1, 2, 3, 4), train=series, stop=series, train_loss=series, stop_loss=series
    )
    row = dataclasses.replace(page.ranking[0], mean=math.nan, low=math.nan, difference=math.inf, gap=math.nan)
    text = render(dataclasses.replace(page, curves=(broken,), ranking=(row, *page.ranking[1:])))
    assert "NaN" not in text.replace(compressed_plotly(), "")
    assert figures_of(text)["curves-1"]["data"][1]["y"][:3] == [None, None, None]


def test_one_run_has_no_ranking(single: Page) -> None:
    text = render(single)
    assert 'id="ranking"' not in text
    assert 'id="test"' not in text
    assert '"curves-0"' in text
    assert "Thin lines" not in text


def test_a_page_without_figures_does_not_include_plotly(single: Page) -> None:
    text = render(dataclasses.replace(single, curves=()))
    assert len(text) < 60_000
    read(text)


@pytest.mark.parametrize("count", [1, 40])
def test_any_number_of_rows(page: Page, count: int) -> None:
    plain = next(row for row in page.ranking if row.difference is None)
    rest = [dataclasses.replace(page.ranking[0], label=f"l2={i}", mean=i / 40) for i in range(1, count)]
    text = render(dataclasses.replace(page, ranking=(plain, *rest)))
    assert len(re.findall(r'<td class="num rank">', text)) == count
    assert ('data-figure="differences"' in text) == (count > 1)


def test_a_long_recipe_is_complete_in_the_table(page: Page, text: str) -> None:
    longest = max((row.label for row in page.ranking), key=len)
    assert f'<span class="name">{longest}</span>' in text


def test_a_recipe_is_shown_once_if_its_label_begins_with_it(page: Page) -> None:
    plain = next(row for row in page.ranking if row.difference is None)
    rows = [
        dataclasses.replace(page.ranking[0], label=label, recipe="l2=0.1")
        for label in ("l2=0.1", "l2=0.1; epochs=20", "mine")
    ]
    text = render(dataclasses.replace(page, ranking=(plain, *rows)))
    assert text.count('<span class="recipe">l2=0.1</span>') == 1


def test_rendering_is_deterministic(page: Page, text: str) -> None:
    assert render(page) == text


def test_write_replaces_the_file(single: Page, tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    assert write(single, target) == target
    first = target.read_text(encoding="utf-8")
    write(dataclasses.replace(single, title="Another"), str(target))
    assert "Another" in target.read_text(encoding="utf-8") != first
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_failed_write_leaves_the_old_file(single: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(single, target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
