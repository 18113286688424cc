"""Render a page as one HTML file that works offline and needs no other file."""

from __future__ import annotations

import base64
import functools
import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import plotly.offline
from markupsafe import Markup

from goodfit.report import theme
from goodfit.report.figures import page_figures
from goodfit.report.forest import digits, summary
from goodfit.report.formatting import DASH, duration, finite, metric_title, number, percent, span
from goodfit.report.page import REFERENCE, NetworkWeights, Page, Row, SampleGallery
from goodfit.serialization import write_bytes
from goodfit.study.statistics import BETTER, INCONCLUSIVE, UNKNOWN, WORSE

MARKS = {BETTER: "●", WORSE: "■", INCONCLUSIVE: "○", UNKNOWN: "", REFERENCE: ""}


def render(page: Page) -> str:
    """Return the page as HTML.

    The compressed plotly.js takes 2.0 MB; fifteen recipes with ten fits and sixty epochs take 1.5 MB. A page
    without figures takes about 20 kB.
    """
    figures = {name: _to_json(figure.to_plotly_json()) for name, figure in page_figures(page).items()}
    labels = page.labels()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            rows=_rows(page),
            summary=summary(page) if len(page.ranking) > 1 else "",
            figures=figures,
            payload={"figures": figures, "dark": dict(theme.PALETTE.values())},
            plotly=compressed_plotly() if figures else "",
            style=_asset("report.css"),
            script=_asset("report.js"),
            light=Markup(theme.css_variables(False)),
            dark=Markup(theme.css_variables(True)),
            labels=labels,
            plain=page.reference(),
            picks={kind: _picks(page, figures, kind) for kind in ("curves", "weights")},
            tensors=_tensors(page),
            several_fits=any(len(page.curves_of(name)) > 1 for name in labels),
        )
    )


def render_augmentation(title: str, recipe: str, galleries: Sequence[SampleGallery], version: str) -> str:
    """Return a page of samples and their augmented variants as HTML."""
    return (
        _environment()
        .get_template("augment.html.j2")
        .render(
            title=title,
            recipe=recipe,
            galleries=galleries,
            version=version,
            style=_asset("report.css"),
            light=Markup(theme.css_variables(False)),
            dark=Markup(theme.css_variables(True)),
        )
    )


def render_series_charts(galleries: Sequence[SampleGallery]) -> str:
    """Return series and their augmented variants as one SVG picture."""
    light, dark = Markup(theme.css_variables(False)), Markup(theme.css_variables(True))
    return _environment().get_template("series_charts.svg.j2").render(galleries=galleries, light=light, dark=dark)


def write(page: Page, path: str | os.PathLike[str]) -> Path:
    """Write the page as HTML, and return the path."""
    return write_text(render(page), path)


def write_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a text to a file completely or not at all, and return the path."""
    target = Path(path)
    write_bytes(target, text.encode())
    return target


@functools.cache
def compressed_plotly() -> str:
    """Return plotly.js compressed with gzip, in base64: 2.0 MB instead of 4.8 MB. The browser decompresses it."""
    source = plotly.offline.get_plotlyjs()
    return base64.b64encode(gzip.compress(source.encode(), compresslevel=9, mtime=0)).decode()


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("goodfit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["metric_title"] = metric_title
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _asset(name: str) -> Markup:
    """Return a file of the templates folder that is inserted unchanged."""
    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))


def _to_json(value: Any) -> Any:
    """Convert a figure to JSON values, without missing values and the template."""
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items() if item is not None and key != "template"}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return finite(value) if isinstance(value, float) else value


def _rows(page: Page) -> list[dict[str, Any]]:
    """Return the ranking as texts, best first."""
    places = digits(page)
    return [_row(page, row, rank, places) for rank, row in enumerate(page.ranked(), start=1)]


def _row(page: Page, row: Row, rank: int, places: int) -> dict[str, Any]:
    significance = page.significance(row)
    return {
        "rank": rank,
        "label": row.label,
        "recipe": "" if row.label.startswith(row.recipe) else row.recipe,
        "mean": number(row.mean, places),
        "interval": span(row.low, row.high, places),
        "difference": DASH if significance == REFERENCE else number(row.difference, places, sign=True),
        "difference_interval": span(row.difference_low, row.difference_high, places, sign=True),
        "significance": significance,
        "mark": MARKS[significance],
        "verdict": row.verdict,
        "fits": row.fits,
        "gap": number(row.gap, places, sign=True),
        "time": duration(row.seconds),
        "note": row.note,
    }


def _picks(page: Page, figures: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the recipes of a selection list, best first; plain only if there is no other."""
    labels, reference = page.labels(), page.reference()
    order = [labels.index(row.label) for row in page.ranked()]
    order += [i for i in range(len(labels)) if i not in order]
    drawn = [i for i in order if f"{kind}-{i}" in figures]
    offered = [i for i in drawn if labels[i] != reference] or drawn
    return [{"figure": f"{kind}-{i}", "label": labels[i], "index": i} for i in offered]


def _tensors(page: Page) -> dict[str, list[dict[str, Any]]]:
    """Return the table of tensors of every recipe, with the share of zeros of plain for comparison."""
    weights = {one.label: one for one in page.weights}
    plain = weights.get(page.reference() or "")
    return {f"weights-{i}": _table(weights[name], plain) for i, name in enumerate(page.labels()) if name in weights}


def _table(weights: NetworkWeights, plain: NetworkWeights | None) -> list[dict[str, Any]]:
    before = {tensor.name: tensor for tensor in plain.tensors} if plain else {}
    rows = []
    for tensor in weights.tensors:
        share = tensor.zeros / tensor.size if tensor.size else 0.0
        other = before.get(tensor.name)
        rows.append(
            {
                "name": tensor.name,
                "shape": " × ".join(str(side) for side in tensor.shape) or "scalar",
                "size": f"{tensor.size:,}",
                "zeros": f"{tensor.zeros:,}",
                "share": share,
                "plain": percent(other.zeros / other.size) if other and other.size else DASH,
            }
        )
    return rows
