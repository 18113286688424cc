"""The figures of a page, by the names that its template uses."""

from __future__ import annotations

import plotly.graph_objects as go

from goodfit.report.curves import learning_curves
from goodfit.report.forest import differences
from goodfit.report.histogram import weight_histogram
from goodfit.report.page import Page

__all__ = ["differences", "learning_curves", "page_figures", "weight_histogram"]


def page_figures(page: Page) -> dict[str, go.Figure]:
    """Return all figures of a page: "differences", "curves-<i>" and "weights-<i>", where i is the index of a label.

    The first label is plain. The curves of every other recipe have axes that also fit the curves of plain; the page
    draws the curves of plain on the axes of the recipe next to them.
    """
    labels = page.labels()
    plain = page.curves_of(labels[0]) if labels else ()
    weights = {one.label: one for one in page.weights}
    figures: dict[str, go.Figure] = {}
    if len(page.ranking) > 1:
        figures["differences"] = differences(page)
    for i, name in enumerate(labels):
        if curves := page.curves_of(name):
            figures[f"curves-{i}"] = learning_curves(curves, plain if i else ())
        if name in weights:
            figures[f"weights-{i}"] = weight_histogram(weights[name], weights.get(labels[0]))
    return figures
