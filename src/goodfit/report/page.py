"""What a report says, as plain records: the whole input of the renderer, free of torch and of plotly."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Any

BETTER, WORSE, OPEN, REFERENCE = "better", "worse", "open", "reference"


@dataclass(frozen=True)
class Finding:
    """One observation behind a verdict; `weight` is "supports", "against" or "neutral"."""

    title: str
    evidence: str
    next_step: str
    weight: str


@dataclass(frozen=True)
class VerdictBox:
    """The answer; `label` is "overfit", "underfit", "good fit" or "cannot tell"."""

    label: str
    headline: str
    subject: str
    findings: tuple[Finding, ...]
    next_steps: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One recipe of the ranking.

    The differences are to plain, and None for plain itself. `gap` is the train metric minus the stop metric
    at the kept epoch.
    """

    label: str
    recipe: str
    mean: float
    low: float
    high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    seeds: int
    verdict: str
    note: str
    seconds: float
    gap: float | None


@dataclass(frozen=True)
class Curve:
    """The history of one run: a value of metric and loss per epoch, on train and on stop."""

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
    """The histogram of one tensor.

    `counts[i]` weights lie between `edges[i]` and `edges[i + 1]`. The counts may hold the exact zeros
    (`sum(counts) == size`) or leave them out (`sum(counts) + zeros == size`).
    """

    name: str
    shape: tuple[int, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    zeros: int
    size: int


@dataclass(frozen=True)
class Weights:
    """The kept weights of one recipe, tensor by tensor."""

    label: str
    tensors: tuple[TensorWeights, ...]

    @property
    def size(self) -> int:
        """How many weights there are."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def zeros(self) -> int:
        """How many of them are exactly zero."""
        return sum(tensor.zeros for tensor in self.tensors)

    @property
    def zero_share(self) -> float:
        """The share of exact zeros, between 0 and 1."""
        return self.zeros / self.size if self.size else 0.0


@dataclass(frozen=True)
class Cell:
    """A value of a row in words; whether it is another than in the row as it is, and by how much."""

    text: str
    difference: str = ""
    changed: bool = False


@dataclass(frozen=True)
class Feature:
    """What a line of a table of variants holds, a column or a target; or a channel in charts, and its ends."""

    name: str
    low: str = ""
    high: str = ""
    target: bool = False


@dataclass(frozen=True)
class SampleView:
    """A sample to look at and to listen to: addresses (data:…) that hold picture and sound themselves, or words.

    Each word comes with "same", "gone" or "new": what became of it. `cells`: a row of a table, a value for each line of
    its gallery. `paths`: a series, one SVG path per channel. `caption` stands below.
    """

    picture: str = ""
    sound: str = ""
    words: tuple[tuple[str, str], ...] = ()
    cells: tuple[Cell, ...] = ()
    paths: tuple[str, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class SampleGallery:
    """A sample and what augmentation makes of it; tables have a feature per column, series one per channel."""

    label: str
    original: SampleView
    variants: tuple[SampleView, ...]
    features: tuple[Feature, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Page:
    """A whole report.

    A row, its curves and its weights belong together by their `label`. `facts`, `test` and `reproduce` are
    pairs of a caption and its content; `actions` is the table that says which technique acts on which tensor.
    A section whose field is empty is left out.
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
    weights: tuple[Weights, ...]
    actions: tuple[tuple[str, ...], ...]
    action_columns: tuple[str, ...]
    test: tuple[tuple[str, str], ...]
    reproduce: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    created: str
    version: str
    galleries: tuple[SampleGallery, ...] = ()

    def ranked(self) -> tuple[Row, ...]:
        """The rows, best mean first; rows whose mean is not finite come last."""
        sign = -1.0 if self.higher_is_better else 1.0

        def key(row: Row) -> tuple[bool, float]:
            known = math.isfinite(row.mean)
            return not known, sign * row.mean if known else 0.0

        return tuple(sorted(self.ranking, key=key))

    def standing(self, row: Row) -> str:
        """How a row compares with plain: "better" or "worse" only where its interval excludes zero."""
        if row.difference is None:
            return REFERENCE
        low, high = row.difference_low, row.difference_high
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or low <= 0 <= high:
            return OPEN
        return BETTER if (low > 0) == self.higher_is_better else WORSE

    def labels(self) -> tuple[str, ...]:
        """Every label once: plain first, then the ranking's order, then what only curves or weights name."""
        rows = sorted(self.ranked(), key=lambda r: r.difference is not None)
        names = [*(r.label for r in rows), *(c.label for c in self.curves), *(w.label for w in self.weights)]
        return tuple(dict.fromkeys(names))

    def curves_of(self, label: str) -> tuple[Curve, ...]:
        """The runs of one recipe, one per seed."""
        return tuple(curve for curve in self.curves if curve.label == label)

    def to_dict(self) -> dict[str, Any]:
        """The page as plain data for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Page:
        """The page that `to_dict` wrote, also after a trip through JSON (where tuples become lists)."""
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
