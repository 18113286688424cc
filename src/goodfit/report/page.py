"""The content of a report as plain records, which the renderer turns into HTML. Needs no plotly."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Any

from goodfit.study.statistics import significance

REFERENCE = "reference"
BINS = 60
"""Bins of the histograms of weights."""


@dataclass(frozen=True)
class FindingEntry:
    """An observation behind a verdict. `weight` is "supports", "against" or "neutral"."""

    title: str
    evidence: str
    next_step: str
    weight: str


@dataclass(frozen=True)
class VerdictBox:
    """A verdict. `label` is "overfit", "underfit", "good fit" or "cannot tell"."""

    label: str
    headline: str
    subject: str
    findings: tuple[FindingEntry, ...]
    next_steps: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A recipe of the ranking.

    Differences are from the plain network, and None for the plain network itself. `gap` is the train metric minus the
    stop metric at the kept epoch.
    """

    label: str
    recipe: str
    mean: float
    low: float
    high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    fits: int
    verdict: str
    note: str
    seconds: float
    gap: float | None


@dataclass(frozen=True)
class MetricEntry:
    """A metric of the plain network and of the best recipe, and their paired difference, with 95 % intervals as text.

    `best` and `difference` are empty if plain is the best.
    """

    name: str
    better: str
    plain: str
    best: str = ""
    difference: str = ""


@dataclass(frozen=True)
class Curve:
    """The learning curves of a run: metric and loss of every epoch, on the train and stop parts."""

    label: str
    seed: int
    metric: str
    epochs: tuple[int, ...]
    train: tuple[float, ...]
    stop: tuple[float, ...]
    train_loss: tuple[float, ...]
    stop_loss: tuple[float, ...]
    best_epoch: int
    kept_epoch: int


@dataclass(frozen=True)
class TensorWeights:
    """The histogram of a tensor.

    `counts[i]` weights lie between `edges[i]` and `edges[i + 1]`, without exact zeros: `sum(counts) + zeros == size`.
    """

    name: str
    shape: tuple[int, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    zeros: int
    size: int


@dataclass(frozen=True)
class NetworkWeights:
    """The kept weights of a recipe, one histogram per tensor."""

    label: str
    tensors: tuple[TensorWeights, ...]

    @property
    def size(self) -> int:
        """The number of weights."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def zeros(self) -> int:
        """The number of weights that are exactly zero."""
        return sum(tensor.zeros for tensor in self.tensors)

    @property
    def zero_share(self) -> float:
        """The share of exact zeros, between 0 and 1."""
        return self.zeros / self.size if self.size else 0.0


@dataclass(frozen=True)
class Cell:
    """A value of a table row as text, whether augmentation changed it, and the size of the change."""

    text: str
    difference: str = ""
    changed: bool = False


@dataclass(frozen=True)
class Feature:
    """A column or target of a table of variants; or a channel of charts, with the ends of its axis."""

    name: str
    low: str = ""
    high: str = ""
    target: bool = False


@dataclass(frozen=True)
class SampleView:
    """A sample in a form that a page can show; unused fields are empty.

    Attributes:
        picture: a data: URL of an image or of an animated clip.
        sound: a data: URL of a sound.
        words: pairs of a word and "same", "removed" or "added".
        cells: a row of a table: one value per feature of the gallery.
        paths: a series: one SVG path per feature (channel) of the gallery.
        caption: text below the sample.
    """

    picture: str = ""
    sound: str = ""
    words: tuple[tuple[str, str], ...] = ()
    cells: tuple[Cell, ...] = ()
    paths: tuple[str, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class SampleGallery:
    """A sample with its augmented variants.

    `features` name the columns of tables and the channels of series. `note` is shown below the gallery.
    """

    label: str
    original: SampleView
    variants: tuple[SampleView, ...]
    features: tuple[Feature, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Page:
    """A whole report.

    A row, its curves and its weights share their `label`. `facts`, `test` and `reproduce` are pairs of a caption and
    its content; `actions` is the table of which technique acts on which tensor. Empty sections are left out.
    """

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    verdict: VerdictBox
    metric: str
    higher_is_better: bool
    interval: str
    ranking: tuple[Row, ...]
    curves: tuple[Curve, ...]
    weights: tuple[NetworkWeights, ...]
    actions: tuple[tuple[str, ...], ...]
    action_columns: tuple[str, ...]
    test: tuple[tuple[str, str], ...]
    reproduce: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    created: str
    version: str
    galleries: tuple[SampleGallery, ...] = ()
    metrics: tuple[MetricEntry, ...] = ()
    metrics_of: str = ""  # which recipe they compare with the plain network

    def ranked(self) -> tuple[Row, ...]:
        """Return the rows, best mean first; rows whose mean is not finite come last."""
        sign = -1.0 if self.higher_is_better else 1.0

        def key(row: Row) -> tuple[bool, float]:
            known = math.isfinite(row.mean)
            return not known, sign * row.mean if known else 0.0

        return tuple(sorted(self.ranking, key=key))

    def significance(self, row: Row) -> str:
        """Compare a row with the plain network: "better", "worse", "inconclusive", or "reference" for plain itself.

        "better" and "worse" mean significant: the 95 % interval of the difference excludes 0. The result is "unknown"
        if no plain fit was finished.
        """
        if row.difference is None:
            return REFERENCE
        return significance(row.difference_low, row.difference_high, self.higher_is_better)

    def reference(self) -> str | None:
        """Return the label of the plain network, or None if the ranking does not contain it."""
        return next((row.label for row in self.ranking if row.difference is None), None)

    def labels(self) -> tuple[str, ...]:
        """Return all labels: plain first if it is ranked, then the ranking, then those of curves and weights alone."""
        rows = sorted(self.ranked(), key=lambda r: r.difference is not None)
        names = [*(r.label for r in rows), *(c.label for c in self.curves), *(w.label for w in self.weights)]
        return tuple(dict.fromkeys(names))

    def curves_of(self, label: str) -> tuple[Curve, ...]:
        """Return the curves of a recipe, one per fit."""
        return tuple(curve for curve in self.curves if curve.label == label)

    def to_dict(self) -> dict[str, Any]:
        """Return the page as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Page:
        """Build a page from the values of `to_dict`; lists from JSON become tuples."""
        return typing.cast(Page, _build(cls, data))


def _build(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return hint(**{name: _build(hints[name], item) for name, item in value.items()})
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if inner[-1] is Ellipsis:
            return tuple(_build(inner[0], item) for item in value)
        return tuple(_build(kind, item) for kind, item in zip(inner, value, strict=True))
    if value is None or isinstance(hint, types.UnionType):
        return value
    return float(value) if hint is float else value
