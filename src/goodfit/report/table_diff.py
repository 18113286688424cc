"""Variants of a table's row in the units of the data: what changed, by how much, and what became of the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np
from torch import Tensor

from goodfit.data import Split
from goodfit.data.arrays import ArrayFeatures
from goodfit.data.encoding import CategoryColumn, NumberColumn, TableFeatures
from goodfit.data.inverse_transform import MISSING, OTHER, CategoryInputs, ColumnInputs, NumberInputs, column_inputs
from goodfit.report.page import Cell, Feature, SampleGallery, SampleView
from goodfit.types import Array

MOST = 20
"""Columns of a row that are shown."""
NAMED = 3
"""CategoryFormat of a blend that are named."""
ROWS = 10_000
"""Training rows that tell how finely a column is given."""
DAY = 86400.0


@dataclass(frozen=True)
class NumberFormat:
    """How a column of numbers or dates is written; decimals: places behind the point, of dates of days."""

    at: NumberInputs
    decimals: int

    @classmethod
    def of(cls, at: NumberInputs, x: Array) -> NumberFormat:
        """As finely as its values x (rows, features) are given, but with three to five digits of its spread."""
        values, scale = at.values(x), at.column.scale / (DAY if at.column.kind == "date" else 1.0)
        values = values / DAY if at.column.kind == "date" else values
        fewest = max(0, 2 - math.floor(math.log10(scale)))
        exact = (d for d in range(fewest, fewest + 3) if np.allclose(values, values.round(d), rtol=1e-12, atol=0))
        return cls(at, next(exact, fewest + 1))

    def text(self, row: Array) -> str:
        """The value in words, of a row (features,)."""
        said = self._said(float(self.at.values(row[None])[0]))
        missing = 0.0 if self.at.missing is None else float(row[self.at.missing])
        if missing <= 0:
            return said
        if missing < 1:
            return f"{said}, {_percent(missing)} missing"
        return MISSING if said == self._said(self.at.column.fill) else f"{MISSING} {said}"

    def difference(self, before: Array, after: Array) -> str:
        """By how much the value changed; nothing where it was or is missing."""
        if self.at.missing is not None and (before[self.at.missing] or after[self.at.missing]):
            return ""
        change = float(self.at.values(after[None])[0] - self.at.values(before[None])[0])
        sign = "+" if change > 0 else "−"
        if self.at.column.kind == "date":
            return f"{sign}{abs(change) / DAY:,.3g} days"
        return sign + format_value(abs(change), self.decimals)

    def _said(self, value: float) -> str:
        if self.at.column.kind != "date":
            return format_value(value, self.decimals)
        try:
            when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(value))
        except OverflowError:
            return f"{value / DAY:,.0f} days since 1970"
        return f"{when:%Y-%m-%d %H:%M}" if self.decimals else f"{when:%Y-%m-%d}"


@dataclass(frozen=True)
class CategoryFormat:
    """How a column of categories is written."""

    at: CategoryInputs

    def text(self, row: Array) -> str:
        """The category in words, or shares of several, of a row (features,)."""
        shares, names = self.at.shares(row[None])[0], self.at.names
        order = np.argsort(-shares, kind="stable")
        if shares[order[0]] <= 0:
            return OTHER
        if shares[order[0]] >= 0.9995:
            return str(names[order[0]])
        some = [i for i in order if shares[i] >= 0.0005]
        told = ", ".join(f"{names[i]}\N{NO-BREAK SPACE}{_percent(shares[i])}" for i in some[:NAMED])
        return told if len(some) <= NAMED else f"{told}, …"

    def difference(self, before: Array, after: Array) -> str:
        """Nothing: categories have no distance."""
        return ""


Column: TypeAlias = NumberFormat | CategoryFormat


def table_gallery(split: Split, row: int, label: str, made: tuple[Tensor, Tensor], target: Tensor) -> SampleGallery:
    """A row and its variants, columns as lines: the target first, then what changes in most variants.

    Shape: made: x (variant, features), y (variant, class or outputs); target (class or outputs,), as it is.
    """
    raw, changed = split.train.x[row].cpu().numpy(), made[0].cpu().numpy()
    found = input_formats(split)
    lines = [_line(column, raw, changed) for column in found]
    order = sorted(range(len(found)), key=lambda i: -sum(cell.changed for cell in lines[i]))
    kept = order[:MOST]
    outputs = [_line(column, target.cpu().numpy(), made[1].cpu().numpy()) for column in target_formats(split)]
    shown = [*outputs, *(lines[i] for i in kept)]
    named = [Feature(column.at.column.name, target=True) for column in target_formats(split)]
    named += [Feature(found[i].at.column.name) for i in kept]
    first, *variants = (SampleView(cells=tuple(line[i] for line in shown)) for i in range(1 + len(changed)))
    return SampleGallery(label, first, tuple(variants), tuple(named), _note(lines, kept))


def input_formats(split: Split) -> list[Column]:
    """How the inputs of a table are written."""
    x = split.train.x[:ROWS].cpu().numpy()
    return [_column(at, x) for at in column_inputs(_features(split))]


def target_formats(split: Split) -> list[Column]:
    """How the targets are written: shares of classes, or numbers."""
    spec, known = split.spec, split.preprocessing
    if spec.classes:
        return [CategoryFormat(CategoryInputs(CategoryColumn(spec.target, spec.classes), 0))]
    mean, scale = (known.target_mean, known.target_scale) if known else (0.0, 1.0)
    names = [spec.target] if spec.n_outputs == 1 else [f"{spec.target} {i}" for i in range(spec.n_outputs)]
    y = split.train.y[:ROWS].cpu().numpy()
    return [_column(NumberInputs(_number(name, mean, scale), i, None), y) for i, name in enumerate(names)]


def target_text(split: Split, y: Tensor) -> str:
    """A target (class or outputs,) in words."""
    return ", ".join(column.text(y.cpu().numpy()) for column in target_formats(split))


def _features(split: Split) -> TableFeatures:
    """How the inputs of a table came about; those of arrays and tensors are numbers, `x0` and so on."""
    features = split.preprocessing.features if split.preprocessing else None
    if isinstance(features, TableFeatures):
        return features
    width = split.spec.input_shape[0]
    mean, scale = np.zeros(width), np.ones(width)
    if isinstance(features, ArrayFeatures):
        shades = 255.0 if features.pixels else 1.0
        mean, scale = mean + np.asarray(features.mean) * shades, scale * np.asarray(features.scale) * shades
    return TableFeatures(tuple(_number(f"x{i}", float(mean[i]), float(scale[i])) for i in range(width)), ())


def _number(name: str, mean: float, scale: float) -> NumberColumn:
    return NumberColumn(name, "number", value=True, indicator=False, fill=0.0, mean=mean, scale=scale)


def _column(at: ColumnInputs, x: Array) -> Column:
    return CategoryFormat(at) if isinstance(at, CategoryInputs) else NumberFormat.of(at, x)


def _line(column: Column, raw: Array, made: Array) -> list[Cell]:
    """A column of a row (features,) and of its variants (variant, features)."""
    before = column.text(raw)
    texts = [column.text(one) for one in made]
    return [Cell(before)] + [
        Cell(text, column.difference(raw, one), changed=True) if text != before else Cell(text)
        for text, one in zip(texts, made, strict=True)
    ]


def _note(lines: Sequence[Sequence[Cell]], kept: Sequence[int]) -> str:
    """What is shown, and how much more there is."""
    changing = [i for i, line in enumerate(lines) if any(cell.changed for cell in line)]
    told = f"{len(changing)} of {len(lines)} columns change in some of these variants"
    if more := len(lines) - len(kept):
        hidden = len(set(changing) - set(kept))
        told += f"; {more} more are not shown, {hidden or 'none'} of which change{'' if hidden > 1 else 's'}"
    texts = {cell.text for i in kept for cell in lines[i]}
    if OTHER in texts:
        told += f". {OTHER}: none of the categories that are frequent in training"
    if any(text.startswith(f"{MISSING} ") for text in texts):
        told += f". {MISSING} before a number: the network is told both"
    return f"{told}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def format_value(value: float, decimals: int) -> str:
    """A number with at most so many decimals, or five digits of what is very large or small, and a true minus sign.

    >>> format_value(1169.0, 2), format_value(-0.125, 2), format_value(-0.001, 2)
    ('1,169', '−0.12', '0')
    """
    if abs(value) >= 1e12 or decimals > 9:
        return f"{value:.5g}".replace("-", "−")
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", "−")
