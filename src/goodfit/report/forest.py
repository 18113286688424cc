"""Forest plot of the differences from plain: a point and an interval per recipe, best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from goodfit.report.formatting import decimals, finite, number, shorten, span
from goodfit.report.page import REFERENCE, Page, Row
from goodfit.report.theme import CLEAR, axis, colour, figure, label, safe
from goodfit.study.statistics import BETTER, INCONCLUSIVE, UNKNOWN, WORSE

ROW_WIDE, ROW_NARROW = 30, 46  # height of a row in pixels
TOP, BOTTOM = 8, 62  # margins in pixels
MIN_PLOT_WIDTH = 260  # pixels that remain for the plot between names and numbers
SYMBOLS = {
    BETTER: "circle",
    WORSE: "square",
    INCONCLUSIVE: "circle-open",
    REFERENCE: "line-ns-open",
}  # readable without colour
WORDS = {
    BETTER: "significantly better than plain",
    WORSE: "significantly worse than plain",
    INCONCLUSIVE: "no significant difference from plain",
}
LABEL_WIDE, LABEL_NARROW = 42, 30  # largest number of characters of a label
CHARACTER = 7.4  # width of a character in pixels, in a wide typeface of 13 px


def differences(page: Page) -> go.Figure:
    """Return a forest plot of the difference of every recipe from plain; row 0 is on top.

    Recipes without a known difference are left out.
    Significant differences have a filled, coloured mark: a circle if better, a square if worse. Other marks are hollow.
    """
    rows = tuple(row for row in page.ranked() if page.significance(row) != UNKNOWN)
    places = digits(page)
    traces = [_trace(page, rows, significance, places) for significance in (INCONCLUSIVE, BETTER, WORSE, REFERENCE)]
    words = {"alt": _alt(page, rows, places), "caption": _caption(page)}
    return figure(traces, _wide(page, rows, places), **words, narrow=_narrower(page, rows, places))


def digits(page: Page) -> int:
    """Return the number of decimal places of the ranking, for figure and table alike."""
    scores = [(row.low, row.high) for row in page.ranking]
    return decimals(scores + [(row.difference_low, row.difference_high) for row in page.ranking])


def _trace(page: Page, rows: tuple[Row, ...], significance: str, places: int) -> go.Scatter:
    members = [(place, row) for place, row in enumerate(rows) if page.significance(row) == significance]
    tone = colour("ink" if significance == REFERENCE else significance)
    middle = [0.0 if row.difference is None else finite(row.difference) for _, row in members]
    return go.Scatter(
        name=significance,
        x=middle,
        y=[place for place, _ in members],
        mode="markers",
        marker={"symbol": SYMBOLS[significance], "size": 11, "color": tone, "line": {"width": 2, "color": tone}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_arm(row.difference, row.difference_high) for _, row in members],
            "arrayminus": [_arm(row.difference_low, row.difference) for _, row in members],
            "color": tone,
            "thickness": 1.6 if significance == INCONCLUSIVE else 3,
            "width": 0,
        },
        hovertext=[_hover(row, significance, places) for _, row in members],
        hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=False,
    )


def _arm(low: float | None, high: float | None) -> float:
    start, end = finite(low), finite(high)
    return 0.0 if start is None or end is None else max(0.0, end - start)


def _hover(row: Row, significance: str, places: int) -> str:
    head = f"<b>{safe(shorten(row.label, 60))}</b>"
    if significance == REFERENCE:
        return f"{head}<br>reference: {number(row.mean, places)}"
    interval = span(row.difference_low, row.difference_high, places, sign=True)
    return f"{head}<br>{number(row.difference, places, sign=True)} {interval}<br>{WORDS[significance]}"


def _wide(page: Page, rows: tuple[Row, ...], places: int, *, interval: bool = True) -> dict[str, Any]:
    """Return the layout with names to the left of the plot and numbers to its right."""
    left = 24 + _pixels([shorten(row.label, LABEL_WIDE) for row in rows])
    values = [_value(row, places, interval=interval) for row in rows]
    right = 16 + _pixels([value.replace("<b>", "").replace("</b>", "") for value in values])
    return {
        "height": TOP + BOTTOM + ROW_WIDE * len(rows),
        "margin": {"t": TOP, "b": BOTTOM, "l": left, "r": right, "pad": 0},
        "xaxis": _differences_axis(rows, 8 if interval else 5),
        "yaxis": axis(range=[len(rows) - 0.5, -0.5], showgrid=False, showticklabels=False),
        "hovermode": "closest",
        "shapes": [_rule(place - 0.5, left) for place in range(1, len(rows))],
        "annotations": [*_names(rows, left), *_values(values), *_directions(page)],
    }


def _narrower(page: Page, rows: tuple[Row, ...], places: int) -> list[tuple[int, dict[str, Any]]]:
    """Return layouts for narrower pages: first without the intervals, then with names and numbers above the marks."""
    wide, medium = _wide(page, rows, places), _wide(page, rows, places, interval=False)
    above = 0.61  # the share of a row above its mark, which holds the name
    narrow = {
        "height": TOP + BOTTOM + ROW_NARROW * len(rows),
        "margin": {"t": TOP, "b": BOTTOM, "l": 2, "r": 2, "pad": 0},
        "shapes": [_rule(place - above, 0) for place in range(1, len(rows))],
        "xaxis": _differences_axis(rows, 5),
        "yaxis": wide["yaxis"] | {"range": [len(rows) - above, -above]},
        "annotations": [*_above(page, rows, places), *_directions(page)],
    }
    widths = [layout["margin"]["l"] + layout["margin"]["r"] + MIN_PLOT_WIDTH for layout in (medium, wide)]
    return [(widths[0], narrow), (widths[1], medium)]


def _pixels(texts: Sequence[str]) -> int:
    return round(CHARACTER * max((len(text) for text in texts), default=0))


def _differences_axis(rows: tuple[Row, ...], ticks: int) -> dict[str, Any]:
    zero = {"zeroline": True, "zerolinecolor": colour("zero"), "zerolinewidth": 1.5}
    return axis(range=_range(rows), nticks=ticks, **zero)


def _range(rows: tuple[Row, ...]) -> list[float]:
    ends = [finite(v) for row in rows for v in (row.difference, row.difference_low, row.difference_high)]
    finite_ends = [0.0, *(end for end in ends if end is not None)]
    pad = 0.05 * (max(finite_ends) - min(finite_ends)) or 1.0
    return [min(finite_ends) - pad, max(finite_ends) + pad]


def _rule(y: float, left: int) -> dict[str, Any]:
    """Return a line between two rows over the whole width; the figure clips it at its edge."""
    across = {"xref": "paper", "xsizemode": "pixel", "xanchor": 0, "x0": -left, "x1": 4000, "y0": y, "y1": y}
    return {"type": "line", "layer": "below", "line": {"color": colour("grid"), "width": 1}} | across


def _value_font(page: Page, row: Row, size: int = 13) -> dict[str, Any]:
    significance = page.significance(row)
    tone = {INCONCLUSIVE: "soft", REFERENCE: "soft"}.get(significance, significance)
    return {"size": size, "color": colour(tone), "weight": 600 if significance in (BETTER, WORSE) else 400}


def _names(rows: tuple[Row, ...], left: int) -> list[dict[str, Any]]:
    return [
        label(
            safe(shorten(row.label, LABEL_WIDE)),
            0,
            place,
            yref="y",
            xanchor="left",
            xshift=-left,
            font=_name_font(row),
        )
        for place, row in enumerate(rows)
    ]


def _name_font(row: Row) -> dict[str, Any]:
    return {"size": 13, "color": colour("ink"), "weight": 600 if row.difference is None else 400}


def _values(values: Sequence[str]) -> list[dict[str, Any]]:
    font = {"size": 12, "color": colour("soft")}
    return [
        label(value, 1, place, yref="y", xanchor="left", xshift=14, align="left", font=font)
        for place, value in enumerate(values)
    ]


def _value(row: Row, places: int, *, interval: bool) -> str:
    if row.difference is None:
        return "reference"
    ends = span(row.difference_low, row.difference_high, places, sign=True) if interval else ""
    return f"<b>{number(row.difference, places, sign=True)}</b>  {ends}".rstrip()


def _above(page: Page, rows: tuple[Row, ...], places: int) -> list[dict[str, Any]]:
    labels = []
    for place, row in enumerate(rows):
        placed = {
            "yref": "y",
            "yshift": 16,
            "bgcolor": colour("paper"),
            "borderpad": 0,
        }  # hides the grid behind the text
        value = "reference" if row.difference is None else number(row.difference, places, sign=True)
        labels.append(
            label(safe(shorten(row.label, LABEL_NARROW)), 0, place, xanchor="left", font=_name_font(row), **placed)
        )
        labels.append(label(value, 1, place, xanchor="right", font=_value_font(page, row), **placed))
    return labels


def _directions(page: Page) -> list[dict[str, Any]]:
    left, right = ("← worse", "better →") if page.higher_is_better else ("← better", "worse →")
    below = {"yshift": -34, "yanchor": "top", "font": {"size": 12, "color": colour("soft")}, "bgcolor": CLEAR}
    return [
        label(left, 0, 0, xanchor="left", **below),
        label("difference from plain", 0.5, 0, xanchor="center", **below),
        label(right, 1, 0, xanchor="right", **below),
    ]


def summary(page: Page) -> str:
    """Return the ranking in one sentence."""
    results = [page.significance(row) for row in page.ranking]
    count = {name: results.count(name) for name in (BETTER, WORSE, INCONCLUSIVE)}
    total = sum(count.values())
    if not total and UNKNOWN in results:
        reason = "No plain fit" if page.reference() is None else "No fold of both plain and a recipe"
        return f"{reason} was finished, so no recipe is compared with plain."
    if not total:
        return "There is no recipe to compare with plain."
    parts = [
        f"{count[name]} {'is' if count[name] == 1 else 'are'} {WORDS[name]}" for name in (BETTER, WORSE) if count[name]
    ]
    if not parts:
        subject = "The recipe does not differ" if total == 1 else f"None of the {total} recipes differs"
        return f"{subject} significantly from plain."
    if count[INCONCLUSIVE]:
        verb = "shows" if count[INCONCLUSIVE] == 1 else "show"
        parts.append(f"{count[INCONCLUSIVE]} {verb} no significant difference")
    last = parts.pop()
    return f"Of {total} recipe{'s' if total > 1 else ''}, {', '.join(parts)}{' and ' if parts else ''}{last}."


def _caption(page: Page) -> str:
    return (
        f"Difference of each recipe from plain in {page.metric}, with its {page.interval}. Significant differences, "
        "whose interval excludes 0, are filled (● better, ■ worse); the others are hollow."
    )


def _alt(page: Page, rows: tuple[Row, ...], places: int) -> str:
    texts = [
        f"{row.label}: {number(row.difference, places, sign=True)}, {WORDS[page.significance(row)]}"
        for row in rows
        if row.difference is not None
    ]
    return f"Forest plot of differences from plain. {summary(page)} {'; '.join(texts)}."
