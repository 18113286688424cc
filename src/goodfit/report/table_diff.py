"""Show how augmentation changes a row of a table: values and differences in the units of the data, and the target."""

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
from goodfit.data.encoding import TableFeatures
from goodfit.data.inverse_transform import MISSING, OTHER, CategoryInputs, ColumnInputs, NumberInputs, column_inputs
from goodfit.data.table_columns import CategoryColumn, NumberColumn
from goodfit.report.page import Cell, Feature, SampleGallery, SampleView
from goodfit.types import Array

MAX_COLUMNS = 20
"""The largest number of columns that is shown."""
MAX_CATEGORIES = 3
"""The largest number of categories that is named in a mixed value."""
ROWS = 10_000
"""The number of training rows from which the decimals of a column are inferred."""
DAY = 86400.0  # seconds


@dataclass(frozen=True)
class NumberFormat:
    """Formats a column of numbers or dates; `decimals` counts decimal places (dates: of days)."""

    inputs: NumberInputs
    decimals: int

    @classmethod
    def of(cls, inputs: NumberInputs, x: Array) -> NumberFormat:
        """Infer the decimals of a column from inputs x (rows, features).

        It has as many decimals as its values, but shows three to five digits of its spread.
        """
        values, scale = inputs.values(x), inputs.column.scale / (DAY if inputs.column.kind == "date" else 1.0)
        scale = scale if math.isfinite(scale) else 1.0  # constant in the training rows
        values = values / DAY if inputs.column.kind == "date" else values
        fewest = max(0, 2 - math.floor(math.log10(scale)))
        exact = (d for d in range(fewest, fewest + 3) if np.allclose(values, values.round(d), rtol=1e-12, atol=0))
        return cls(inputs, next(exact, fewest + 1))

    def text(self, row: Array) -> str:
        """Return the value of a row (features,) as text."""
        text = self._text(float(self.inputs.values(row[None])[0]))
        missing = 0.0 if self.inputs.missing is None else float(row[self.inputs.missing])
        if missing <= 0:
            return text
        if missing < 1:
            return f"{text}, {_percent(missing)} missing"
        return MISSING if text == self._text(self.inputs.column.fill) else f"{MISSING} {text}"

    def difference(self, before: Array, after: Array) -> str:
        """Return the change of the value as text; empty if the value was or is missing."""
        if self.inputs.missing is not None and (before[self.inputs.missing] or after[self.inputs.missing]):
            return ""
        change = float(self.inputs.values(after[None])[0] - self.inputs.values(before[None])[0])
        sign = "+" if change > 0 else "−"
        if self.inputs.column.kind == "date":
            return f"{sign}{abs(change) / DAY:,.3g} days"
        return sign + format_value(abs(change), self.decimals)

    def _text(self, value: float) -> str:
        if self.inputs.column.kind != "date":
            return format_value(value, self.decimals)
        try:
            when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(value))
        except OverflowError:
            return f"{value / DAY:,.0f} days since 1970"
        return f"{when:%Y-%m-%d %H:%M}" if self.decimals else f"{when:%Y-%m-%d}"


@dataclass(frozen=True)
class CategoryFormat:
    """Formats a column of categories."""

    inputs: CategoryInputs

    def text(self, row: Array) -> str:
        """Return the category of a row (features,), or the shares of several categories, as text."""
        shares, names = self.inputs.shares(row[None])[0], self.inputs.names
        order = np.argsort(-shares, kind="stable")
        if shares[order[0]] <= 0:
            return OTHER
        if shares[order[0]] >= 0.9995:
            return str(names[order[0]])
        mixed = [i for i in order if shares[i] >= 0.0005]
        text = ", ".join(f"{names[i]}\N{NO-BREAK SPACE}{_percent(shares[i])}" for i in mixed[:MAX_CATEGORIES])
        return text if len(mixed) <= MAX_CATEGORIES else f"{text}, …"

    def difference(self, before: Array, after: Array) -> str:
        """Return an empty text: categories have no difference."""
        return ""


Column: TypeAlias = NumberFormat | CategoryFormat


def table_gallery(
    split: Split, row: int, label: str, augmented: tuple[Tensor, Tensor], target: Tensor
) -> SampleGallery:
    """Return a row and its variants, one line per column: the target first, then the columns that change most often.

    Args:
        split: the data.
        row: the number of the training row.
        label: the caption.
        augmented: the variants: x (variant, features) and y (variant, class or outputs).
        target: the original target (class or outputs,).
    """
    raw, variants = split.train.x[row].cpu().numpy(), augmented[0].cpu().numpy()
    columns = input_formats(split)
    lines = [_cells(column, raw, variants) for column in columns]
    order = sorted(range(len(columns)), key=lambda i: -sum(cell.changed for cell in lines[i]))
    kept = order[:MAX_COLUMNS]
    outputs = [_cells(column, target.cpu().numpy(), augmented[1].cpu().numpy()) for column in target_formats(split)]
    shown = [*outputs, *(lines[i] for i in kept)]
    features = [Feature(column.inputs.column.name, target=True) for column in target_formats(split)]
    features += [Feature(columns[i].inputs.column.name) for i in kept]
    original, *views = (SampleView(cells=tuple(line[i] for line in shown)) for i in range(1 + len(variants)))
    return SampleGallery(label, original, tuple(views), tuple(features), _note(lines, kept))


def input_formats(split: Split) -> list[Column]:
    """Return the formats of the inputs of a table."""
    x = split.train.x[:ROWS].cpu().numpy()
    return [_column(inputs, x) for inputs in column_inputs(_features(split))]


def target_formats(split: Split) -> list[Column]:
    """Return the formats of the targets: shares of classes, or numbers."""
    spec, preprocessing = split.spec, split.preprocessing
    if spec.classes:
        return [CategoryFormat(CategoryInputs(CategoryColumn(spec.target, spec.classes), 0))]
    mean, scale = (preprocessing.target_mean, preprocessing.target_scale) if preprocessing else (0.0, 1.0)
    names = [spec.target] if spec.n_outputs == 1 else [f"{spec.target} {i}" for i in range(spec.n_outputs)]
    y = split.train.y[:ROWS].cpu().numpy()
    return [_column(NumberInputs(_number(name, mean, scale), i, None), y) for i, name in enumerate(names)]


def target_text(split: Split, y: Tensor) -> str:
    """Return a target (class or outputs,) as text."""
    return ", ".join(column.text(y.cpu().numpy()) for column in target_formats(split))


def _features(split: Split) -> TableFeatures:
    """Return the columns of the inputs; the columns of arrays and tensors are numbers named `x0`, `x1`, …"""
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


def _column(inputs: ColumnInputs, x: Array) -> Column:
    return CategoryFormat(inputs) if isinstance(inputs, CategoryInputs) else NumberFormat.of(inputs, x)


def _cells(column: Column, raw: Array, variants: Array) -> list[Cell]:
    """Return the cells of a column: for a row (features,) and for its variants (variant, features)."""
    before = column.text(raw)
    texts = [column.text(variant) for variant in variants]
    return [Cell(before)] + [
        Cell(text, column.difference(raw, variant), changed=True) if text != before else Cell(text)
        for text, variant in zip(texts, variants, strict=True)
    ]


def _note(lines: Sequence[Sequence[Cell]], kept: Sequence[int]) -> str:
    """Return how many columns change, how many are hidden, and what special values mean."""
    changing = [i for i, line in enumerate(lines) if any(cell.changed for cell in line)]
    text = f"{len(changing)} of {len(lines)} columns change in some of these variants."
    if more := len(lines) - len(kept):
        hidden = len(set(changing) - set(kept))
        text += f" {more} columns are not shown; {hidden or 'none'} of them change{'' if hidden > 1 else 's'}."
    texts = {cell.text for i in kept for cell in lines[i]}
    if OTHER in texts:
        text += f" {OTHER}: a category that is rare in the training rows."
    if any(value.startswith(f"{MISSING} ") for value in texts):
        text += f" {MISSING} before a number: the network gets the number and a flag that it is missing."
    return text


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def format_value(value: float, decimals: int) -> str:
    """Return a number with at most `decimals` decimal places and a true minus sign; very large numbers get five digits.

    >>> format_value(1169.0, 2), format_value(-0.125, 2), format_value(-0.001, 2)
    ('1,169', '−0.12', '0')
    """
    if abs(value) >= 1e12 or decimals > 9:
        return f"{value:.5g}".replace("-", "−")
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", "−")
