"""Colours and the common ground of all figures.

A figure is made in the light colours. The page swaps each for its dark partner when the reader's screen is
dark, so that no colour is written twice and CSS and figures cannot disagree.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

PALETTE: dict[str, tuple[str, str]] = {  # name: (light, dark); light values are keys, so each differs
    "paper": ("#fbfaf7", "#14171a"),
    "card": ("#ffffff", "#1b1f23"),
    "ink": ("#1d1c1a", "#ecebe7"),
    "soft": ("#5d5a54", "#b1aea7"),
    "line": ("#d6d2ca", "#3b4148"),
    "grid": ("#ebe8e2", "#2a2f35"),
    "zero": ("#8b877f", "#7d8288"),
    "better": ("#0b6b60", "#52cfb6"),
    "worse": ("#ad430d", "#f5a067"),
    "open": ("#716d66", "#a3a09a"),
    "train": ("#2b66a9", "#86b6f2"),
    "stop": ("#a12c69", "#f092c3"),
    "gap": ("rgba(161,44,105,0.13)", "rgba(240,146,195,0.17)"),
    "mass": ("rgba(43,102,169,0.22)", "rgba(134,182,242,0.26)"),
}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
CLEAR = "rgba(0,0,0,0)"


def colour(name: str) -> str:
    """The light value of a named colour."""
    return PALETTE[name][0]


def css_variables(dark: bool) -> str:
    """The palette as CSS custom properties."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in PALETTE.items())


def safe(text: str) -> str:
    """Text for a figure: plotly reads tags in its texts, and users' names are not tags."""
    return html.escape(text, quote=False)


def axis(**settings: Any) -> dict[str, Any]:
    """A quiet axis that does not catch a finger that wants to scroll."""
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
    """An annotation without an arrow; coordinates are the paper's unless said otherwise."""
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
    """A figure with what the page needs around it, in `layout.meta`.

    Arguments:
        traces: what is drawn.
        layout: settings over the common ones.
        alt: the figure in words for those who do not see it.
        caption: what stands below it.
        narrow: widths in pixels, rising, each with settings that replace those of `layout` below it.
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
