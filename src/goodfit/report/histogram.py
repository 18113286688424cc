"""How a recipe's kept weights are spread, against those of plain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from goodfit.report.formatting import finite, percent
from goodfit.report.page import TensorWeights, Weights
from goodfit.report.theme import axis, colour, figure, label

BINS = 60
TAIL = 0.0005  # the share of weights at either end that may lie outside of the axis


def weight_histogram(weights: Weights, plain: Weights | None = None) -> go.Figure:
    """The weights that are not exactly zero, as a filled outline; plain's, if given, as a dashed line.

    Tensors come with edges of their own; they are poured into common bins, evenly within each of their bins,
    so that the heights of recipe and plain compare. Exact zeros are a number in the caption, for as a bar
    they would flatten all others.
    """
    shown = [weights, *([plain] if plain and plain.label != weights.label else [])]
    edges = common_edges([tensor for one in shown for tensor in one.tensors])
    traces = [_outline(one, edges, filled=one is weights) for one in reversed(shown)]
    top = max((y for trace in traces for y in trace.y or ()), default=1.0) or 1.0
    small = {"size": 12, "color": colour("soft")}
    title = {"text": "weight", "font": small, "standoff": 8}
    what = "<b>Non-zero weights</b>, share per bin"
    layout: dict[str, Any] = {
        "height": 300,
        "margin": {"t": 30, "b": 46, "l": 44, "r": 8},
        "xaxis": axis(range=[edges[0], edges[-1]], nticks=9, zerolinecolor=colour("line"), title=title),
        "yaxis": axis(range=[0, 1.06 * top], nticks=5, ticksuffix=" %"),
        "hovermode": "closest",
        "annotations": [label(what, 0, 1, xanchor="left", yanchor="bottom", yshift=8, font=small)],
    }
    slim = {"xaxis": layout["xaxis"] | {"nticks": 5}, "height": 260}
    caption = zero_caption(weights, shown[1] if len(shown) > 1 else None)
    return figure(traces, layout, alt=f"Histogram of weights. {caption}", caption=caption, narrow=[(480, slim)])


def zero_caption(weights: Weights, plain: Weights | None) -> str:
    """The share of exact zeros in words."""
    said = f"{weights.label}: {percent(weights.zero_share)} of {weights.size:,} weights are exactly zero"
    return f"{said} ({plain.label}: {percent(plain.zero_share)}). Dashed: {plain.label}." if plain else f"{said}."


def common_edges(tensors: Sequence[TensorWeights]) -> list[float]:
    """Edges around all non-zero weights but the outermost few, which would shrink the rest to a spike."""
    boxes = sorted(box for tensor in tensors for box in _boxes(tensor))
    low = _reach(boxes, -1.0, lambda box: box[0])
    high = _reach(boxes[::-1], 1.0, lambda box: box[1])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return [low + (high - low) * i / BINS for i in range(BINS + 1)]


def _boxes(tensor: TensorWeights) -> list[tuple[float, float, int]]:
    boxes = zip(tensor.edges, tensor.edges[1:], without_zeros(tensor), strict=False)
    return [box for box in boxes if box[2] and finite(box[0]) is not None and finite(box[1]) is not None]


def _reach(
    boxes: list[tuple[float, float, int]], nothing: float, end: Callable[[tuple[float, float, int]], float]
) -> float:
    """The outer end of the first box that is not within the tail."""
    tail = TAIL * sum(count for *_, count in boxes)
    for box in boxes:
        tail -= box[2]
        if tail < 0:
            return end(box)
    return nothing


def rebin(tensors: Sequence[TensorWeights], edges: Sequence[float]) -> list[float]:
    """How many non-zero weights fall between the edges."""
    bins = [0.0] * (len(edges) - 1)
    width = edges[1] - edges[0]
    for tensor in tensors:
        for low, high, count in _boxes(tensor):
            first = min(max(int((low - edges[0]) / width), 0), len(bins) - 1)
            for i in range(first, len(bins)):
                if high <= edges[i] and i > first:
                    break
                inside = min(high, edges[i + 1]) - max(low, edges[i])
                bins[i] += count * max(inside, 0.0) / (high - low) if high > low else float(count * (i == first))
    return bins


def without_zeros(tensor: TensorWeights) -> list[int]:
    """The counts with the exact zeros taken out of the bin that holds them, if they are in it."""
    counts = list(tensor.counts)
    if sum(counts) == tensor.size and tensor.zeros:
        for i, (low, high) in enumerate(zip(tensor.edges, tensor.edges[1:], strict=False)):
            if low <= 0 <= high and counts[i] >= tensor.zeros:
                counts[i] -= tensor.zeros
                break
    return counts


def _outline(weights: Weights, edges: list[float], *, filled: bool) -> go.Scatter:
    size = weights.size or 1
    shares = [float(f"{100 * count / size:.4g}") for count in rebin(weights.tensors, edges)]
    x = [float(f"{edge:.5g}") for edge in edges]
    tone = colour("train" if filled else "soft")
    return go.Scatter(
        name=weights.label,
        x=x,
        y=[*shares, shares[-1]],
        mode="lines",
        line={
            "shape": "hv",
            "width": 1.6 if filled else 1.4,
            "color": tone,
            "dash": "solid" if filled else "4px,3px",
        },
        fill="tozeroy" if filled else "none",
        fillcolor=colour("mass"),
        hovertemplate="%{x}: %{y} %<extra></extra>",
    )
