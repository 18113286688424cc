"""Learning curves of a recipe: the loss above, the metric below, on train and stop, with the gap shaded."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from goodfit.report.formatting import DASH, clean, finite, metric_title, number
from goodfit.report.page import Curve
from goodfit.report.theme import axis, colour, figure, label, safe

CurveValues = list[float | None]
MAX_POINTS = 240  # per curve, so that long runs stay small files
CUT = 8.0  # the loss axis ends at this many medians, so that a bad start does not flatten the rest


def learning_curves(curves: Sequence[Curve], compared: Sequence[Curve] = ()) -> go.Figure:
    """Return a figure of loss and metric by epoch for the fits of a recipe.

    Thin lines are single fits. Bold lines are their mean, up to the epoch at which the first fit ends. Vertical lines
    mark the best epochs, and circles mark the epochs whose weights were kept.

    Args:
        curves: the runs of the recipe, one per fit.
        compared: the runs that are drawn next to the figure on the same axes.
    """
    both = [*curves, *compared]
    losses = _bounds([v for c in both for v in (*c.train_loss, *c.stop_loss)], cut=True)
    metrics = _bounds([v for c in both for v in (*c.train, *c.stop)], cut=False)
    traces = [
        *_panel(curves, lambda c: (c.train_loss, c.stop_loss), "y2"),
        *_panel(curves, lambda c: (c.train, c.stop), "y"),
    ]
    layout = _layout(curves, _epoch_axis(both), losses, metrics)
    return figure(traces, layout, alt=_alt(curves), caption=_caption(curves, losses))


def _panel(
    curves: Sequence[Curve], pick: Callable[[Curve], tuple[Sequence[float], Sequence[float]]], y: str
) -> list[Any]:
    train, stop = _mean(curves, lambda c: pick(c)[0]), _mean(curves, lambda c: pick(c)[1])
    traces: list[Any] = [_gap(*train, stop[1], y)]
    if len(curves) > 1:
        for curve in curves:
            epochs = _thin(curve.epochs)
            traces.append(_line(*_sample(curve.epochs, pick(curve)[0], epochs), "train", y, thin=True))
            traces.append(_line(*_sample(curve.epochs, pick(curve)[1], epochs), "stop", y, thin=True))
    traces += [_line(*train, "train", y), _line(*stop, "stop", y), _kept(curves, lambda c: pick(c)[1], y)]
    return traces


def _thin(epochs: Sequence[int]) -> list[int]:
    step = max(1, math.ceil(len(epochs) / MAX_POINTS))
    places = list(range(0, len(epochs), step))
    if places and places[-1] != len(epochs) - 1:
        places.append(len(epochs) - 1)
    return places


def _sample(epochs: Sequence[int], values: Sequence[float], places: Sequence[int]) -> tuple[list[int], CurveValues]:
    kept = [i for i in places if i < len(values)]
    return [epochs[i] for i in kept], clean(values[i] for i in kept)


def _mean(curves: Sequence[Curve], pick: Callable[[Curve], Sequence[float]]) -> tuple[list[int], CurveValues]:
    """Return the mean over fits for the epochs that all fits have; other means would jump where a fit ends."""
    tables = [dict(zip(curve.epochs, pick(curve), strict=False)) for curve in curves]
    common = [epoch for epoch in tables[0] if all(epoch in table for table in tables)] if tables else []
    means = [statistics.fmean(table[epoch] for table in tables) for epoch in common]
    return _sample(common, means, _thin(common))


def _line(epochs: list[int], values: CurveValues, part: str, y: str, *, thin: bool = False) -> go.Scatter:
    dash = "5px,3px" if part == "train" else "solid"
    alone = sum(value is not None for value in values) < 2
    return go.Scatter(
        name=part,
        x=epochs,
        y=values,
        xaxis="x",
        yaxis=y,
        mode="lines+markers" if alone else "lines",
        line={"color": colour(part), "width": 1 if thin else 2.4, "dash": "solid" if thin else dash},
        marker={"color": colour(part), "size": 8},
        opacity=0.35 if thin else 1,
        hoverinfo="skip" if thin else None,
        hovertemplate=None if thin else f"{part}, epoch %{{x}}: %{{y}}<extra></extra>",
    )


def _gap(epochs: list[int], train: CurveValues, stop: CurveValues, y: str) -> go.Scatter:
    """Return the area between the means: a closed outline for each interval without missing values."""
    x: list[int | None] = []
    outline: CurveValues = []
    for start, end in _complete_intervals(train, stop):
        forward = epochs[start:end]
        x += [*forward, *reversed(forward), forward[0], None]
        outline += [*train[start:end], *reversed(stop[start:end]), train[start], None]
    return go.Scatter(name="gap", x=x, y=outline, xaxis="x", yaxis=y, mode="lines", line={"width": 0},
                      fill="toself", fillcolor=colour("gap"), hoverinfo="skip")  # fmt: skip


def _complete_intervals(first: CurveValues, second: CurveValues) -> Iterator[tuple[int, int]]:
    start = None
    pairs = [*zip(first, second, strict=False), (None, None)]
    for i, (a, b) in enumerate(pairs):
        complete = a is not None and b is not None
        if complete and start is None:
            start = i
        elif not complete and start is not None:
            yield start, i
            start = None


def _kept(curves: Sequence[Curve], pick: Callable[[Curve], Sequence[float]], y: str) -> go.Scatter:
    points = [(c.kept_epoch, dict(zip(c.epochs, pick(c), strict=False)).get(c.kept_epoch)) for c in curves]
    return go.Scatter(
        name="kept",
        x=[epoch for epoch, _ in points],
        y=clean(value for _, value in points),
        xaxis="x",
        yaxis=y,
        mode="markers",
        marker={"size": 8, "color": colour("card"), "line": {"color": colour("stop"), "width": 2}},
        hovertemplate="kept weights, epoch %{x}: %{y}<extra></extra>",
    )


def _bounds(values: Sequence[float], *, cut: bool) -> tuple[float, float, bool]:
    """Return the ends of an axis, and whether it cuts off values."""
    known = [v for value in values if (v := finite(value)) is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    limit = CUT * statistics.median(known) if cut and known and low >= 0 else math.inf
    is_cut = high > limit > low
    high = limit if is_cut else high
    pad = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return low - pad, high + (0.0 if is_cut else pad), is_cut


def _epoch_axis(curves: Sequence[Curve]) -> dict[str, Any]:
    epochs = [epoch for curve in curves for epoch in curve.epochs]
    first, last = min(epochs, default=0), max(epochs, default=1)
    pad = max(0.5, 0.02 * (last - first))
    ticks = {"dtick": 1} if last - first <= 6 else {"nticks": 7}
    return {"range": [first - pad, last + pad], "tickformat": ",d"} | ticks


def _layout(curves: Sequence[Curve], epochs: dict[str, Any], losses: tuple[float, float, bool],
            metrics: tuple[float, float, bool]) -> dict[str, Any]:  # fmt: skip
    best = sorted({curve.best_epoch for curve in curves})
    ends = {"xanchor": "left", "yanchor": "bottom", "yshift": 6}
    quiet = ends | {"xanchor": "right", "font": {"size": 12, "color": colour("soft")}}
    name = safe(curves[0].metric) if curves else ""
    return {
        "height": 460,
        "margin": {"t": 28, "b": 44, "l": 44, "r": 8},
        "xaxis": axis(**epochs, showgrid=False, anchor="y", domain=[0, 1],
                      title={"text": "epoch", "font": {"size": 12, "color": colour("soft")}, "standoff": 6}),
        "yaxis": axis(range=list(metrics[:2]), domain=[0, 0.42], nticks=5),
        "yaxis2": axis(range=list(losses[:2]), domain=[0.56, 1], nticks=5),
        "hovermode": "closest",
        "shapes": [_vertical(epoch, domain) for epoch in best for domain in ("y domain", "y2 domain")],
        "annotations": [
            label("<b>Loss</b>", 0, 1, **ends),
            label(f"best at epoch {_between(best)}", 1, 1, **quiet),
            label(f"<b>{metric_title(name)}</b>", 0, 0.42, **ends),
            label(f"gap {_mean_gap(curves)}", 1, 0.42, **quiet),
        ],
    }  # fmt: skip


def _vertical(epoch: int, domain: str) -> dict[str, Any]:
    line = {"color": colour("zero"), "width": 1.2, "dash": "2px,3px"}
    ends = {"x0": epoch, "x1": epoch, "xref": "x", "y0": 0, "y1": 1, "yref": domain}
    return {"type": "line", "name": "best epoch", "layer": "below", "line": line} | ends


def _between(epochs: Sequence[int]) -> str:
    if not epochs:
        return DASH
    return f"{epochs[0]:,}" if epochs[0] == epochs[-1] else f"{epochs[0]:,}–{epochs[-1]:,}"


def kept_means(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """Return the metric on train and stop at the kept epochs, as means over the fits; None if no fit has both."""
    tables = [dict(zip(c.epochs, zip(c.train, c.stop, strict=False), strict=False)) for c in curves]
    kept = [table[c.kept_epoch] for c, table in zip(curves, tables, strict=True) if c.kept_epoch in table]
    pairs = [(finite(train), finite(stop)) for train, stop in kept]
    known = [(train, stop) for train, stop in pairs if train is not None and stop is not None]
    if not known:
        return None
    return statistics.fmean(pair[0] for pair in known), statistics.fmean(pair[1] for pair in known)


def _mean_gap(curves: Sequence[Curve]) -> str:
    means = kept_means(curves)
    return number(means[0] - means[1], 3, sign=True) if means else DASH


def _caption(curves: Sequence[Curve], losses: tuple[float, float, bool]) -> str:
    means = kept_means(curves)
    count = f"Mean of {len(curves)} fits" if len(curves) != 1 else "One fit"
    scores = f", kept epoch: {curves[0].metric} {means[0]:.3f} on train, {means[1]:.3f} on stop" if means else ""
    cut = f" The loss axis ends at {number(losses[1], 2)}; some values are higher." if losses[2] else ""
    return f"{count}{scores}.{cut}"


def _alt(curves: Sequence[Curve]) -> str:
    if not curves:
        return "No learning curves."
    best = _between(sorted({curve.best_epoch for curve in curves}))
    last = [v for c in curves if c.stop_loss and (v := finite(c.stop_loss[-1])) is not None]
    end = f" The stop loss ends at {statistics.fmean(last):.4g}." if last else ""
    return (
        f"Learning curves of {curves[0].label}: loss and {curves[0].metric} by epoch, on train and stop. "
        f"Best at epoch {best}; the gap between train and stop {curves[0].metric} at the kept epoch is "
        f"{_mean_gap(curves)}.{end}"
    )
