"""A figure's numbers as a small SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from effects.words import Numbers, digest, label, seen
from goodfit.pages import shown
from goodfit.technique import Technique

COLOURS = {"stop": "#a12c69", "train": "#2b66a9"}
INK, SOFT, GRID = "#1d1c1a", "#5d5a54", "#e4e0d8"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "goodfit",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "legend.labelcolor": SOFT,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
}
ROOM = 2.5
"""The loss axis ends at so many times the loss without: a strength that ruins training shall not hide the others."""


def draw(technique: type[Technique], numbers: Numbers, path: Path) -> None:
    """Write the SVG; the same numbers give the same file."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.5), layout="constrained", facecolor="white")
        axes = figure.subplots()
        drawing = {"strength": _strengths, "presence": _presence, "stopping": _stopping}[numbers["kind"]]
        handles = drawing(axes, numbers, technique)
        _tidy(axes, numbers)
        axes.set_title("\n".join(textwrap.wrap(seen(numbers), 84)), loc="left", fontsize=10, pad=8)
        axes.set_xlabel("\n".join(textwrap.wrap(label(technique, numbers), 95)))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        facts = {"Title": seen(numbers), "Identifier": digest(technique, numbers), "Date": None, "Creator": None}
        figure.savefig(path, format="svg", metadata=facts)


# ---- the three kinds -----------------------------------------------------------------------------


def _strengths(axes: Axes, numbers: Numbers, technique: type[Technique]) -> list[Line2D]:
    x = numbers["values"]
    if technique.knobs()[numbers["knob"]].log:
        axes.set_xscale("log")
    for part, colour in COLOURS.items():
        rows = _array(numbers[part])  # (value, seed)
        axes.fill_between(x, rows.min(1), rows.max(1), color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, rows.mean(1), color=colour, marker="o")
        axes.axhline(np.mean(numbers["without"][part]), color=colour, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.set_xticks(x, [shown(value) for value in x])
    axes.minorticks_off()
    if numbers["measured"] == "loss":
        top = ROOM * max(numbers["without"]["stop"])
        axes.set_ylim(0, min(top, 1.08 * max(axes.dataLim.ymax, 1e-9)))
        _beyond(axes, x, _array(numbers["stop"]).mean(1), top)
    return [_key(part, f"{part} rows") for part in COLOURS] + [Line2D([], [], color=SOFT, linestyle=(0, (4, 3)), linewidth=1.2, label=f"without {technique.name()}")]
