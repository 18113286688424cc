"""Histogram of the kept weights of a recipe, compared with those of plain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from goodfit.report.formatting import finite, percent
from goodfit.report.page import BINS, NetworkWeights, TensorWeights
from goodfit.report.theme import axis, colour, figure, label

TAIL = 0.0005  # the share of weights at either end that the axis may cut off


def weight_histogram(weights: NetworkWeights, plain: NetworkWeights | None = None) -> go.Figure:
    """Return a histogram of the non-zero weights as a filled outline, with those of plain as a dashed line.

    The histograms of the tensors are rebinned to common bins, so that recipe and plain are comparable. The caption
    gives the share of exact zeros; a bar for them would dwarf all others.
    """
    shown = [weights, *([plain] if plain and plain.label != weights.label else [])]
    edges = common_edges([tensor for one in shown for tensor in one.tensors])
    traces = [_outline(one, edges, filled=one is weights) for one in reversed(shown)]
    top = max((y for trace in traces for y in trace.y or ()), default=1.0) or 1.0
    small = {"size": 12, "color": colour("soft")}
    title = {"text": "weight", "font": small, "standoff": 8}
    heading = "<b>Non-zero weights</b>, share per bin"
    layout: dict[str, Any] = {
        "height": 300,
        "margin": {"t": 30, "b": 46, "l": 44, "r": 8},
        "xaxis": axis(range=[edges[0], edges[-1]], nticks=9, zerolinecolor=colour("line"), title=title),
        "yaxis": axis(range=[0, 1.06 * top], nticks=5, ticksuffix=" %"),
        "hovermode": "closest",
        "annotations": [label(heading, 0, 1, xanchor="left", yanchor="bottom", yshift=8, font=small)],
    }
    slim = {"xaxis": layout["xaxis"] | {"nticks": 5}, "height": 260}
    caption = zero_caption(weights, shown[1] if len(shown) > 1 else None)
    return figure(traces, layout, alt=f"Histogram of weights. {caption}", caption=caption, narrow=[(480, slim)])


def zero_caption(weights: NetworkWeights, plain: NetworkWeights | None) -> str:
    """Return the share of exact zeros as a sentence."""
    text = f"{weights.label}: {percent(weights.zero_share)} of {weights.size:,} weights are exactly zero"
    return f"{text} ({plain.label}: {percent(plain.zero_share)}). Dashed: {plain.label}." if plain else f"{text}."


def common_edges(tensors: Sequence[TensorWeights]) -> list[float]:
    """Return bin edges around all non-zero weights except the outermost, which would compress the others."""
    bins = sorted(bin_ for tensor in tensors for bin_ in _bins(tensor))
    low = _end(bins, -1.0, lambda bin_: bin_[0])
    high = _end(bins[::-1], 1.0, lambda bin_: bin_[1])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return [low + (high - low) * i / BINS for i in range(BINS + 1)]


def _bins(tensor: TensorWeights) -> list[tuple[float, float, int]]:
    """Return the low edge, high edge and count of the non-empty bins of a tensor."""
    bins = zip(tensor.edges, tensor.edges[1:], tensor.counts, strict=False)
    return [bin_ for bin_ in bins if bin_[2] and finite(bin_[0]) is not None and finite(bin_[1]) is not None]


def _end(
    bins: list[tuple[float, float, int]], default: float, edge: Callable[[tuple[float, float, int]], float]
) -> float:
    """Return the outer edge of the first bin that is not part of the tail."""
    tail = TAIL * sum(count for *_, count in bins)
    for bin_ in bins:
        tail -= bin_[2]
        if tail < 0:
            return edge(bin_)
    return default


def rebin(tensors: Sequence[TensorWeights], edges: Sequence[float]) -> list[float]:
    """Return the number of non-zero weights between the edges; the weights of a bin are spread evenly over it."""
    bins = [0.0] * (len(edges) - 1)
    width = edges[1] - edges[0]
    for tensor in tensors:
        for low, high, count in _bins(tensor):
            first = min(max(int((low - edges[0]) / width), 0), len(bins) - 1)
            for i in range(first, len(bins)):
                if high <= edges[i] and i > first:
                    break
                inside = min(high, edges[i + 1]) - max(low, edges[i])
                bins[i] += count * max(inside, 0.0) / (high - low) if high > low else float(count * (i == first))
    return bins


def _outline(weights: NetworkWeights, edges: list[float], *, filled: bool) -> go.Scatter:
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
