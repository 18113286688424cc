"""The inverse of preprocessing: from inputs back to numbers, dates and categories in the units of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd

from goodfit.data.arrays import ArrayFeatures
from goodfit.data.columns import Floats
from goodfit.data.encoding import TableFeatures
from goodfit.data.table_columns import CategoryColumn, NumberColumn
from goodfit.errors import InputError
from goodfit.types import Array

MISSING, OTHER = "(missing)", "(other)"
"""Names of a missing value and of a category without an input (rare or unseen in training)."""
RESOLUTION = 2.0**-22
"""The precision of standardized values in float32, in units of the column's scale, with one bit of reserve."""
STEPS = (1.0, 60.0, 3600.0, 86400.0)
"""Dates are rounded to one of these numbers of seconds."""


@dataclass(frozen=True)
class NumberInputs:
    """A column of numbers or dates, with the positions of its two inputs: the value, and 1 where it is missing.

    A position is None if the column has no such input.
    """

    column: NumberColumn
    value: int | None
    missing: int | None

    def values(self, x: Array) -> Floats:
        """The numbers (dates: seconds since 1970), rounded to the precision of float32; the fill value where missing.

        Shape: x (rows, features) → (rows,).
        """
        c = self.column
        if self.value is None or math.isinf(c.scale):
            return np.full(len(x), c.fill)
        standard = x[:, self.value].astype(np.float64)
        finest = RESOLUTION * c.scale * np.maximum(np.abs(standard), 1.0)
        return (_to_steps if c.kind == "date" else _to_digits)(standard * c.scale + c.mean, finest)

    def inverse_transform(self, x: Array) -> pd.Series[Any]:
        """The column in its own unit, NaN (dates: NaT) where missing: (rows, features) → (rows,)."""
        values = self.values(x)
        if self.missing is not None:
            values = np.where(x[:, self.missing] >= 0.5, np.nan, values)
        if self.column.kind == "date":
            return pd.Series(pd.to_datetime(values, unit="s", utc=True), name=self.column.name)
        return pd.Series(values, name=self.column.name)


@dataclass(frozen=True)
class CategoryInputs:
    """A column of categories, with the position of the first of its 0/1 inputs."""

    column: CategoryColumn
    first: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the categories, "(missing)" for missing values."""
        return tuple(MISSING if name is None else name for name in self.column.categories)

    def shares(self, x: Array) -> Array:
        """The share of each category in each row: (rows, features) → (rows, categories)."""
        return x[:, self.first : self.first + len(self.column.categories)]

    def inverse_transform(self, x: Array) -> pd.Series[Any]:
        """The names, None where missing and "(other)" where no known category is set: (rows, features) → (rows,)."""
        shares = self.shares(x)
        known = np.asarray([*self.column.categories, OTHER], object)
        return pd.Series(known[np.where(shares.max(1) > 0, shares.argmax(1), -1)], name=self.column.name, dtype=object)


ColumnInputs: TypeAlias = NumberInputs | CategoryInputs


def column_inputs(features: TableFeatures) -> tuple[ColumnInputs, ...]:
    """The columns of a table with the positions of their inputs: numbers and dates first, then categories."""
    values = _positions([c.value for c in features.numbers], 0)
    missing = _positions([c.indicator for c in features.numbers], sum(c.value for c in features.numbers))
    before = sum(c.value + c.indicator for c in features.numbers)
    firsts = np.cumsum([before, *(len(c.categories) for c in features.categories)]).tolist()
    return (
        *(NumberInputs(*each) for each in zip(features.numbers, values, missing, strict=True)),
        *(CategoryInputs(column, first) for column, first in zip(features.categories, firsts, strict=False)),
    )


def inverse_transform(features: TableFeatures, x: Array) -> pd.DataFrame:
    """The inverse of `features.transform`: from inputs x (rows, features) to a table in the units of the data.

    Numbers are exact to the precision of float32, missing values are missing again. Columns without an input are
    absent, and a category without an input is "(other)".

    >>> table = pd.DataFrame({"age": [20, 60, None, 20], "city": ["Rome", "Bern", "Rome", "Bern"]})
    >>> features = TableFeatures.fit(table)
    >>> inverse_transform(features, features.transform(table)).to_dict("list")
    {'age': [20.0, 60.0, nan, 20.0], 'city': ['Rome', 'Bern', 'Rome', 'Bern']}

    Raises:
        InputError: x has another number of inputs.
    """
    if x.shape[1:] != features.input_shape:
        raise InputError(f"inverse_transform: rows must have the shape {features.input_shape}, got {x.shape[1:]}.")
    return pd.DataFrame({each.column.name: each.inverse_transform(x) for each in column_inputs(features)})


def inverse_transform_array(features: ArrayFeatures, x: Array) -> Floats:
    """The inverse of `features.transform`: from inputs x (rows, …) to an array in the units of the data.

    Raises:
        InputError: the samples were whitened, which is not inverted.
    """
    if features.whitening is not None:
        raise InputError("inverse_transform: the whitening of samples cannot be inverted; load them without whiten=.")
    values = x.astype(np.float64) * np.asarray(features.scale) + np.asarray(features.mean)
    return cast(Floats, values * 255 if features.pixels else values)


def _positions(present: list[bool], first: int) -> list[int | None]:
    """Consecutive positions, starting with `first`, of the columns that are present; None for the others."""
    positions = np.cumsum([first, *present]).tolist()
    return [position if there else None for position, there in zip(positions, present, strict=False)]


def _to_digits(values: Floats, finest: Floats) -> Floats:
    """Round to the decimal places that the precision `finest` allows, so that whole numbers stay whole."""
    places = np.floor(-np.log10(finest))
    power = 10.0 ** np.abs(places)
    return cast(Floats, np.where(places >= 0, np.round(values * power) / power, np.round(values / power) * power))


def _to_steps(values: Floats, finest: Floats) -> Floats:
    """Round to whole seconds, minutes, hours or days."""
    steps = np.asarray(STEPS)
    step = steps[np.searchsorted(steps, finest).clip(max=len(steps) - 1)]
    return cast(Floats, np.round(values / step) * step)
