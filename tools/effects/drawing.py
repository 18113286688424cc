"""Draw the numbers of a figure as a small SVG."""

from __future__ import annotations

import io
import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from effects.captions import Numbers, caption, digest, label
from goodfit.pages import shown
from goodfit.technique import Technique

COLOURS = {"stop": "#a12c69", "train": "#2b66a9"}
INK, SOFT, GRID = "#1d1c1a", "#5d5a54", "#e4e0d8"
DASHED: dict[str, Any] = {"linestyle": (0, (4, 2.5)), "linewidth": 1.2}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "goodfit",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": GRID,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "legend.labelcolor": SOFT,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
}
TAG, DECIMALS, SPACE = re.compile(r"<\w[^>]*>"), re.compile(r"\d+\.\d+"), re.compile(r"\s+")
IDLE = re.compile(r' transform="rotate\(-?0 [^"]*"|\s*<g id="[^"]*"/>|(?<=\n)\s+')
AXIS_LIMIT = 2.5
"""The axis of a loss ends at this multiple of the loss without the technique, so outliers do not flatten the rest."""


def draw(technique: type[Technique], numbers: Numbers, path: Path) -> None:
    """Write the SVG. The same numbers give the same file."""
    drawing = {"strength": _strengths, "presence": _presence, "stopping": _stopping}[numbers["kind"]]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.5), layout="constrained", facecolor="white")
        axes = figure.subplots()
        keys = drawing(axes, numbers, technique)
        figure.suptitle(_wrapped(caption(numbers), 86), x=0.012, ha="left", fontsize=10)
        axes.set_xlabel(_wrapped(label(technique, numbers), 95))
        axes.set_ylabel("data loss" if numbers["measured"] == "loss" else numbers["measured"])
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(which="both", length=0)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
        metadata = {"Title": caption(numbers), "Identifier": digest(technique, numbers), "Date": None, "Creator": None}
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=metadata)
    path.write_text(IDLE.sub("", TAG.sub(_short, text.getvalue())), encoding="utf-8")


def _strengths(axes: Axes, numbers: Numbers, technique: type[Technique]) -> list[Artist]:
    """Loss by strength; dashed lines: without the technique."""
    x = numbers["values"]
    if technique.knobs()[numbers["knob"]].log:
        axes.set_xscale("log")
    for part, colour in COLOURS.items():
        _mean(axes, x, numbers[part], colour, marker="o")
        axes.axhline(np.mean(numbers["without"][part]), color=colour, **DASHED)
    axes.set_xticks(x, [shown(value) for value in x])
    axes.minorticks_off()
    means = _array(numbers["stop"]).mean(1)
    _frame(axes, numbers, max(numbers["without"]["stop"]), list(zip(x, means, strict=True)))
    return _keys(numbers)


def _presence(axes: Axes, numbers: Numbers, technique: type[Technique]) -> list[Artist]:
    """Learning curves with the technique and without it."""
    for part, colour in COLOURS.items():
        for which, style in (("with", {}), ("without", DASHED)):
            curves = list(zip(*numbers[which][part], strict=True))  # (epoch, seed)
            _mean(axes, range(1, len(curves) + 1), curves, colour, band=part == "stop", **style)
    _frame(axes, numbers, max(curve[-1] for curve in numbers["without"]["stop"]))
    return _keys(numbers)


def _stopping(axes: Axes, numbers: Numbers, technique: type[Technique]) -> list[Artist]:
    """The learning curve of each seed without the technique, and the epochs that it keeps and at which it stops."""
    for part, colour in COLOURS.items():
        for curve in numbers["without"][part]:
            axes.plot(range(1, len(curve) + 1), curve, color=colour, linewidth=0.9)
    marks: dict[str, dict[str, Any]] = {
        "kept": {"marker": "o", "markersize": 6, "color": INK},
        "stopped": {"marker": "X", "markersize": 6.5, "color": INK, "markerfacecolor": "white"},
    }
    for stop, curve in zip(numbers["stops"], numbers["without"]["stop"], strict=True):
        axes.plot(stop["kept"], curve[stop["kept"] - 1], zorder=3, **marks["kept"])
        if stop["stopped"]:
            axes.plot(stop["epochs"], curve[stop["epochs"] - 1], zorder=3, **marks["stopped"])
    if axes.dataLim.ymax > 10 * np.median(numbers["without"]["stop"]):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        _frame(axes, numbers, np.inf)
    return _lines() + [Line2D([], [], linestyle="", label=name, **style) for name, style in marks.items()]


# ---- parts ---------------------------------------------------------------------------------------


def _mean(axes: Axes, x: Any, rows: Any, colour: str, band: bool = True, **style: Any) -> None:
    """A line through the means and a band from the lowest to the highest value; rows (x, seed)."""
    values = _array(rows)
    if band:
        axes.fill_between(x, values.min(1), values.max(1), color=colour, alpha=0.14, linewidth=0)
    axes.plot(x, values.mean(1), color=colour, **style)


def _frame(axes: Axes, numbers: Numbers, usual: float, points: list[tuple[float, float]] | None = None) -> None:
    """Set the vertical limits; values above them are written as numbers."""
    if numbers["measured"] != "loss":
        return
    top = min(AXIS_LIMIT * usual, 1.05 * axes.dataLim.ymax)
    axes.set_ylim(-0.02 * top, top)
    for x, y in points or []:
        if y > top:
            text = {"ha": "center", "va": "top", "color": COLOURS["stop"]}
            axes.annotate(f"{y:.2g} ↑", (x, top), xytext=(0, -2), textcoords="offset points", **text)


def _keys(numbers: Numbers) -> list[Artist]:
    without = Line2D([], [], color=SOFT, label="without it", **DASHED)
    return [
        *_lines(),
        without,
        Patch(color=SOFT, alpha=0.14, linewidth=0, label=f"range over {numbers['seeds']} seeds"),
    ]


def _lines() -> list[Artist]:
    return [Line2D([], [], color=colour, label=f"{part} rows") for part, colour in COLOURS.items()]


def _array(rows: Any) -> Any:
    """Numbers as a two-dimensional array; missing values (not finite) leave a gap."""
    return np.array(rows, dtype=float)


def _short(tag: re.Match[str]) -> str:
    """Shorten a tag of the SVG: one decimal per number and single spaces."""
    return SPACE.sub(" ", DECIMALS.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), tag[0]))


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))
