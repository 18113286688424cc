"""A page as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import functools
import gzip
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import plotly.offline
from markupsafe import Markup

from goodfit.report import theme
from goodfit.report.figures import page_figures
from goodfit.report.forest import digits, summary
from goodfit.report.formatting import DASH, duration, finite, headed, number, percent, span
from goodfit.report.page import REFERENCE, Page, Row, SampleGallery, Weights

STANDING_MARKS = {"better": "●", "worse": "■", "open": "○", REFERENCE: ""}


def render(page: Page) -> str:
    """The page as HTML text.

    plotly.js, packed, takes 2.0 MB of it; fifteen recipes with three seeds of sixty epochs take 0.45 MB.
    A page without figures takes some 20 kB.
    """
    figures = {name: _plain(figure.to_plotly_json()) for name, figure in page_figures(page).items()}
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
            picks={kind: _picks(page, figures, kind) for kind in ("curves", "weights")},
            tensors=_tensors(page, labels),
            several_seeds=any(len(page.curves_of(name)) > 1 for name in labels),
        )
    )


def render_augmentation(title: str, recipe: str, found: Sequence[SampleGallery], version: str) -> str:
    """A page of samples and their variants, as HTML text."""
    return (
        _environment()
        .get_template("augment.html.j2")
        .render(
            title=title,
            recipe=recipe,
            found=found,
            version=version,
            style=_asset("report.css"),
            light=Markup(theme.css_variables(False)),
            dark=Markup(theme.css_variables(True)),
        )
    )


def render_series_charts(found: Sequence[SampleGallery]) -> str:
    """Series and their variants as one SVG picture, which needs nothing else."""
    light, dark = Markup(theme.css_variables(False)), Markup(theme.css_variables(True))
    return _environment().get_template("series_charts.svg.j2").render(found=found, light=light, dark=dark)


def write(page: Page, path: str | os.PathLike[str]) -> Path:
    """Render the page into a file, as `write_text` does."""
    return write_text(render(page), path)


def write_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a page into a file, at once or not at all: a reader never meets half a report."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        part.chmod(0o666 & ~_umask())  # mkstemp's files are for their owner only
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@functools.cache
def compressed_plotly() -> str:
    """plotly.js, gzipped and in base64: 4.8 MB become 2.0, and the browser unpacks it by itself."""
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
    environment.filters["headed"] = headed
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _asset(name: str) -> Markup:
    """A file that belongs into the page as it is."""
    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))


def _plain(value: Any) -> Any:
    """A figure as JSON takes it, without the parts that only tell plotly what it knows already."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None and key != "template"}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return finite(value) if isinstance(value, float) else value


def _rows(page: Page) -> list[dict[str, Any]]:
    """The ranking as texts, best first."""
    places = digits(page)
    return [_row(page, row, rank, places) for rank, row in enumerate(page.ranked(), start=1)]


def _row(page: Page, row: Row, rank: int, places: int) -> dict[str, Any]:
    standing = page.standing(row)
    return {
        "rank": rank,
        "label": row.label,
        "recipe": row.recipe if row.recipe != row.label else "",
        "mean": number(row.mean, places),
        "interval": span(row.low, row.high, places),
        "difference": DASH if standing == REFERENCE else number(row.difference, places, sign=True),
        "difference_interval": span(row.difference_low, row.difference_high, places, sign=True),
        "standing": standing,
        "mark": STANDING_MARKS[standing],
        "verdict": row.verdict,
        "seeds": row.seeds,
        "gap": number(row.gap, places, sign=True),
        "time": duration(row.seconds),
        "note": row.note,
    }


def _picks(page: Page, figures: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The recipes that a reader can choose, best first; plain is left out where there is another."""
    labels = page.labels()
    order = [labels.index(row.label) for row in page.ranked()]
    order += [i for i in range(len(labels)) if i not in order]
    drawn = [i for i in order if f"{kind}-{i}" in figures]
    shown = [i for i in drawn if i != 0] or drawn
    return [{"figure": f"{kind}-{i}", "label": labels[i], "index": i} for i in shown]


def _tensors(page: Page, labels: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """A row per tensor, with plain's share of zeros beside the recipe's."""
    weights = {one.label: one for one in page.weights}
    plain = weights.get(labels[0]) if labels else None
    return {f"weights-{i}": _table(weights[name], plain) for i, name in enumerate(labels) if name in weights}


def _table(weights: Weights, plain: Weights | None) -> list[dict[str, Any]]:
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
