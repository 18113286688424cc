"""The ranked differences to plain: a dot and an interval per recipe, best first, around a zero line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from goodfit.report.formatting import decimals, finite, number, shorten, span
from goodfit.report.page import BETTER, OPEN, REFERENCE, WORSE, Page, Row
from goodfit.report.theme import CLEAR, axis, colour, figure, label, safe

ROW_WIDE, ROW_NARROW = 30, 46  # pixels a row takes
TOP, BOTTOM = 8, 62  # pixels of margin
PLOT_LEAST = 260  # pixels that the plot must keep when names and numbers stand beside it
SYMBOLS = {
    BETTER: "circle",
    WORSE: "square",
    OPEN: "circle-open",
    REFERENCE: "line-ns-open",
}  # read without colour
WORDS = {BETTER: "better than plain", WORSE: "worse than plain", OPEN: "not told apart from plain"}
LONGEST_WIDE, LONGEST_NARROW = 42, 30  # characters of a label
LETTER = 7.4  # pixels a letter takes at 13 px in a wide typeface


def differences(page: Page) -> go.Figure:
    """A forest plot of every recipe's difference to plain.

    Colour and a filled mark only where the interval excludes zero; a circle is better, a square worse, a
    hollow circle neither. Row 0 is on top.
    """
    rows = page.ranked()
    places = digits(page)
    traces = [_trace(page, rows, standing, places) for standing in (OPEN, BETTER, WORSE, REFERENCE)]
    words = {"alt": _alt(page, rows, places), "caption": _caption(page)}
    return figure(traces, _wide(page, rows, places), **words, narrow=_narrower(page, rows, places))


def digits(page: Page) -> int:
    """The decimal places of the ranking, the same in figure and table."""
    own = [(row.low, row.high) for row in page.ranking]
    return decimals(own + [(row.difference_low, row.difference_high) for row in page.ranking])


def _trace(page: Page, rows: tuple[Row, ...], standing: str, places: int) -> go.Scatter:
    mine = [(place, row) for place, row in enumerate(rows) if page.standing(row) == standing]
    tone = colour("ink" if standing == REFERENCE else standing)
    middle = [0.0 if row.difference is None else finite(row.difference) for _, row in mine]
    return go.Scatter(
        name=standing,
        x=middle,
        y=[place for place, _ in mine],
        mode="markers",
        marker={"symbol": SYMBOLS[standing], "size": 11, "color": tone, "line": {"width": 2, "color": tone}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_arm(row.difference, row.difference_high) for _, row in mine],
            "arrayminus": [_arm(row.difference_low, row.difference) for _, row in mine],
            "color": tone,
            "thickness": 1.6 if standing == OPEN else 3,
            "width": 0,
        },
        hovertext=[_hover(row, standing, places) for _, row in mine],
        hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=False,
    )


def _arm(low: float | None, high: float | None) -> float:
    start, end = finite(low), finite(high)
    return 0.0 if start is None or end is None else max(0.0, end - start)


def _hover(row: Row, standing: str, places: int) -> str:
    head = f"<b>{safe(shorten(row.label, 60))}</b>"
    if standing == REFERENCE:
        return f"{head}<br>the reference: {number(row.mean, places)}"
    interval = span(row.difference_low, row.difference_high, places, sign=True)
    return f"{head}<br>{number(row.difference, places, sign=True)} {interval}<br>{WORDS[standing]}"


def _wide(page: Page, rows: tuple[Row, ...], places: int, *, interval: bool = True) -> dict[str, Any]:
    """Names to the left of the plot, numbers to its right."""
    left = 24 + _pixels([shorten(row.label, LONGEST_WIDE) for row in rows])
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
    """First the intervals' ends go, then names and numbers move above their marks."""
    wide, medium = _wide(page, rows, places), _wide(page, rows, places, interval=False)
    over = 0.61  # of a row lies above its mark, where its name stands
    narrow = {
        "height": TOP + BOTTOM + ROW_NARROW * len(rows),
        "margin": {"t": TOP, "b": BOTTOM, "l": 2, "r": 2, "pad": 0},
        "shapes": [_rule(place - over, 0) for place in range(1, len(rows))],
        "xaxis": _differences_axis(rows, 5),
        "yaxis": wide["yaxis"] | {"range": [len(rows) - over, -over]},
        "annotations": [*_above(page, rows, places), *_directions(page)],
    }
    beside = [layout["margin"]["l"] + layout["margin"]["r"] + PLOT_LEAST for layout in (medium, wide)]
    return [(beside[0], narrow), (beside[1], medium)]


def _pixels(texts: Sequence[str]) -> int:
    return round(LETTER * max((len(text) for text in texts), default=0))


def _differences_axis(rows: tuple[Row, ...], ticks: int) -> dict[str, Any]:
    zero = {"zeroline": True, "zerolinecolor": colour("zero"), "zerolinewidth": 1.5}
    return axis(range=_range(rows), nticks=ticks, **zero)


def _range(rows: tuple[Row, ...]) -> list[float]:
    ends = [finite(v) for row in rows for v in (row.difference, row.difference_low, row.difference_high)]
    found = [0.0, *(end for end in ends if end is not None)]
    pad = 0.05 * (max(found) - min(found)) or 1.0
    return [min(found) - pad, max(found) + pad]


def _rule(y: float, left: int) -> dict[str, Any]:
    """A hairline between rows, from edge to edge: the figure cuts off what is too long."""
    across = {"xref": "paper", "xsizemode": "pixel", "xanchor": 0, "x0": -left, "x1": 4000, "y0": y, "y1": y}
    return {"type": "line", "layer": "below", "line": {"color": colour("grid"), "width": 1}} | across


def _font(page: Page, row: Row, size: int = 13) -> dict[str, Any]:
    standing = page.standing(row)
    tone = {OPEN: "soft", REFERENCE: "soft"}.get(standing, standing)
    return {"size": size, "color": colour(tone), "weight": 600 if standing in (BETTER, WORSE) else 400}


def _names(rows: tuple[Row, ...], left: int) -> list[dict[str, Any]]:
    return [
        label(
            safe(shorten(row.label, LONGEST_WIDE)),
            0,
            place,
            yref="y",
            xanchor="left",
            xshift=-left,
            font=_name(row),
        )
        for place, row in enumerate(rows)
    ]


def _name(row: Row) -> dict[str, Any]:
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
    found = []
    for place, row in enumerate(rows):
        over = {
            "yref": "y",
            "yshift": 16,
            "bgcolor": colour("paper"),
            "borderpad": 0,
        }  # hides the grid behind words
        value = "reference" if row.difference is None else number(row.difference, places, sign=True)
        found.append(label(safe(shorten(row.label, LONGEST_NARROW)), 0, place, xanchor="left", font=_name(row), **over))
        found.append(label(value, 1, place, xanchor="right", font=_font(page, row), **over))
    return found


def _directions(page: Page) -> list[dict[str, Any]]:
    left, right = ("← worse", "better →") if page.higher_is_better else ("← better", "worse →")
    below = {"yshift": -34, "yanchor": "top", "font": {"size": 12, "color": colour("soft")}, "bgcolor": CLEAR}
    return [
        label(left, 0, 0, xanchor="left", **below),
        label("difference to plain", 0.5, 0, xanchor="center", **below),
        label(right, 1, 0, xanchor="right", **below),
    ]


def summary(page: Page) -> str:
    """The ranking in one sentence."""
    standings = [page.standing(row) for row in page.ranking]
    count = {name: standings.count(name) for name in (BETTER, WORSE, OPEN)}
    total = sum(count.values())
    if not total:
        return "There is nothing to compare with plain."
    said = [f"{_are(count[name])} {WORDS[name]}" for name in (BETTER, WORSE) if count[name]]
    said += [f"{count[OPEN]} cannot be told apart from it" if said else "none can be told apart from plain"] * bool(
        count[OPEN]
    )
    tail = said.pop()
    return f"Of {total} recipe{'s' if total > 1 else ''}, {', '.join(said)}{' and ' if said else ''}{tail}."


def _are(count: int) -> str:
    return f"{count} {'is' if count == 1 else 'are'}"


def _caption(page: Page) -> str:
    return (
        f"Difference of each recipe to plain in {page.metric}, with its {page.interval}. Filled and coloured "
        "where the interval excludes zero (● better, ■ worse), hollow where it does not."
    )


def _alt(page: Page, rows: tuple[Row, ...], places: int) -> str:
    said = [
        f"{row.label}: {number(row.difference, places, sign=True)}, {WORDS[page.standing(row)]}"
        for row in rows
        if row.difference is not None
    ]
    return f"Forest plot of differences to plain. {summary(page)} {'; '.join(said)}."
