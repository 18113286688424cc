"""The colours and common settings of all figures.

Figures are built in the light colours. On a dark screen the page replaces each colour with its dark partner, so CSS and
figures share one palette.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

PALETTE: dict[str, tuple[str, str]] = {  # name: (light, dark); the light values must be distinct
    "paper": ("#fbfaf7", "#14171a"),
    "card": ("#ffffff", "#1b1f23"),
    "ink": ("#1d1c1a", "#ecebe7"),
    "soft": ("#5d5a54", "#b1aea7"),
    "line": ("#d6d2ca", "#3b4148"),
    "grid": ("#ebe8e2", "#2a2f35"),
    "zero": ("#8b877f", "#7d8288"),
    "better": ("#0b6b60", "#52cfb6"),
    "worse": ("#ad430d", "#f5a067"),
    "inconclusive": ("#716d66", "#a3a09a"),
    "train": ("#2b66a9", "#86b6f2"),
    "stop": ("#a12c69", "#f092c3"),
    "gap": ("rgba(161,44,105,0.13)", "rgba(240,146,195,0.17)"),
    "mass": ("rgba(43,102,169,0.22)", "rgba(134,182,242,0.26)"),
}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
CLEAR = "rgba(0,0,0,0)"


def colour(name: str) -> str:
    """Return the light value of a colour."""
    return PALETTE[name][0]


def css_variables(dark: bool) -> str:
    """Return the palette as CSS custom properties."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in PALETTE.items())


def safe(text: str) -> str:
    """Escape a text for a figure, because plotly interprets HTML tags."""
    return html.escape(text, quote=False)


def axis(**settings: Any) -> dict[str, Any]:
    """Return the settings of an axis without decoration or zoom, so that touching it scrolls the page."""
    base = {
        "fixedrange": True,
        "zeroline": False,
        "showline": False,
        "gridcolor": colour("grid"),
        "tickfont": {"size": 12, "color": colour("soft")},
        "ticks": "",
        "tickangle": 0,
    }
    return base | settings


def label(text: str, x: float, y: float, **settings: Any) -> dict[str, Any]:
    """Return an annotation without an arrow; coordinates refer to the paper by default."""
    base = {
        "text": text,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
        "font": {"size": 13, "color": colour("ink")},
    }
    return base | settings


def figure(
    traces: list[Any],
    layout: dict[str, Any],
    *,
    alt: str,
    caption: str,
    narrow: Sequence[tuple[int, dict[str, Any]]] = (),
) -> go.Figure:
    """Return a figure; `layout.meta` holds its texts and its layouts for narrow pages.

    Args:
        traces: the traces to draw.
        layout: settings that override the common ones.
        alt: a text that describes the figure for screen readers.
        caption: the text below the figure.
        narrow: pairs of a width in pixels, in rising order, and the settings for pages that are narrower.
    """
    base = {
        "template": {},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"family": FONT, "size": 13, "color": colour("ink")},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {
            "bgcolor": colour("card"),
            "bordercolor": colour("line"),
            "font": {"family": FONT, "size": 13, "color": colour("ink")},
            "align": "left",
        },
        "meta": {"alt": alt, "caption": caption, "narrow": [list(step) for step in narrow]},
    }
    return go.Figure(data=traces, layout=base | layout)
