"""The forest plot of differences from plain."""

import dataclasses
import math
from typing import Any

import pytest

from goodfit.report.forest import differences, summary
from goodfit.report.page import Page


def trace(figure: Any, name: str, yaxis: str | None = None, place: int = 0) -> Any:
    return [t for t in figure.data if t.name == name and yaxis in (None, t.yaxis)][place]


def test_intervals_are_those_of_the_rows(page: Page) -> None:
    figure, rows = differences(page), page.ranked()
    intervals = {}
    for name in ("better", "worse", "inconclusive"):
        dots = trace(figure, name)
        for x, y, plus, minus in zip(dots.x, dots.y, dots.error_x.array, dots.error_x.arrayminus, strict=True):
            assert page.significance(rows[y]) == name
            intervals[rows[y].label] = (x - minus, x, x + plus)
    for row in rows:
        if row.difference is not None:
            assert intervals[row.label] == pytest.approx((row.difference_low, row.difference, row.difference_high))


def test_marks_differ_by_more_than_colour(page: Page) -> None:
    figure = differences(page)
    assert len({t.marker.symbol for t in figure.data}) == len(figure.data)
    assert len({t.marker.color for t in figure.data}) == len(figure.data)
    assert figure.layout.xaxis.zeroline
    low, high = figure.layout.xaxis.range
    assert low < -0.0266 < 0 < 0.0152 < high


def test_direction_follows_the_metric(page: Page) -> None:
    def texts(one: Page) -> set[str]:
        return {note.text for note in differences(one).layout.annotations}

    assert {"← worse", "better →"} <= texts(page)
    assert {"← better", "worse →"} <= texts(dataclasses.replace(page, higher_is_better=False))


def test_summary_counts(page: Page) -> None:
    assert summary(page) == (
        "Of 14 recipes, 6 are significantly better than plain, 2 are significantly worse than plain "
        "and 6 show no significant difference."
    )
    none = tuple(dataclasses.replace(row, difference_low=None) for row in page.ranking)
    assert (
        summary(dataclasses.replace(page, ranking=none)) == "None of the 14 recipes differs significantly from plain."
    )


def test_without_a_plain_run_nothing_is_compared(page: Page) -> None:
    nan = {"difference": math.nan, "difference_low": math.nan, "difference_high": math.nan}
    rows = tuple(dataclasses.replace(row, **nan) for row in page.ranking if row.difference is not None)
    without = dataclasses.replace(page, ranking=rows)
    assert summary(without) == "No plain fit was finished, so no recipe is compared with plain."
    assert without.reference() is None
    assert differences(without).layout.xaxis.range == (-1, 1)


def test_a_row_without_an_interval_has_a_hollow_mark(page: Page) -> None:
    bare = dataclasses.replace(page.ranking[0], difference_low=None, difference_high=None)
    figure = differences(dataclasses.replace(page, ranking=(bare, page.ranking[5])))
    dot = trace(figure, "inconclusive")
    assert dot.x == (bare.difference,)
    assert dot.error_x.array == (0,)


def test_names_are_escaped(page: Page) -> None:
    row = dataclasses.replace(page.ranking[0], label="<b>age</b>")
    notes = differences(dataclasses.replace(page, ranking=(row, *page.ranking[1:]))).layout.annotations
    assert "&lt;b&gt;age&lt;/b&gt;" in {note.text for note in notes}
