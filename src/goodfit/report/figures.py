"""The figures of a page, by the names that its template uses."""

from __future__ import annotations

import plotly.graph_objects as go

from goodfit.report.curves import learning_curves
from goodfit.report.forest import differences
from goodfit.report.histogram import weight_histogram
from goodfit.report.page import REFERENCE, Page
from goodfit.study.statistics import UNKNOWN

__all__ = ["differences", "learning_curves", "page_figures", "weight_histogram"]


def page_figures(page: Page) -> dict[str, go.Figure]:
    """Return all figures of a page: "differences", "curves-<i>" and "weights-<i>", where i is the index of a label.

    If the page has a plain network, its label is the first. The curves of every other recipe have axes that also fit
    the curves of plain; the page draws the curves of plain on the axes of the recipe next to them. There is no figure
    of differences if no recipe is compared with plain.
    """
    labels, reference = page.labels(), page.reference()
    plain = page.curves_of(reference) if reference else ()
    weights = {one.label: one for one in page.weights}
    figures: dict[str, go.Figure] = {}
    if any(page.significance(row) not in (REFERENCE, UNKNOWN) for row in page.ranking):
        figures["differences"] = differences(page)
    for i, name in enumerate(labels):
        if curves := page.curves_of(name):
            figures[f"curves-{i}"] = learning_curves(curves, plain if name != reference else ())
        if name in weights:
            figures[f"weights-{i}"] = weight_histogram(weights[name], weights.get(reference or ""))
    return figures
