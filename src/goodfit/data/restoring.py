"""Inputs back in the units of the data: numbers, dates and categories out of what `transform` made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd

from goodfit.data.arrays import ArrayFeatures
from goodfit.data.columns import Floats
from goodfit.data.encoding import CategoryColumn, NumberColumn, TableFeatures
from goodfit.errors import InputError
from goodfit.types import Array

MISSING, OTHER = "(missing)", "(other)"
"""A value that is not there; a category that is none of the known ones (rare or unseen in training)."""
RESOLUTION = 2.0**-22
"""How finely float32 tells standardised values apart, in units of the column's scale, with a bit to spare."""
STEPS = (1.0, 60.0, 3600.0, 86400.0)
"""Seconds of what dates are rounded to."""


@dataclass(frozen=True)
class NumberAt:
    """A column of numbers or dates, and the inputs that hold its value and say that it is missing, if there are any."""

    column: NumberColumn
    value: int | None
    missing: int | None

    def values(self, x: Array) -> Floats:
        """The numbers (dates: seconds since 1970), rounded to what float32 can tell; the filled ones where missing.

        Shape: x (rows, features) → (rows,).
        """
        c = self.column
        if self.value is None:
            return np.full(len(x), c.fill)
        standard = x[:, self.value].astype(np.float64)
        finest = RESOLUTION * c.scale * np.maximum(np.abs(standard), 1.0)
        return (_to_steps if c.kind == "date" else _to_digits)(standard * c.scale + c.mean, finest)

    def restore(self, x: Array) -> pd.Series[Any]:
        """The column as it was, NaN (dates: NaT) where missing: (rows, features) → (rows,)."""
        values = self.values(x)
        if self.missing is not None:
            values = np.where(x[:, self.missing] >= 0.5, np.nan, values)
        if self.column.kind == "date":
            return pd.Series(pd.to_datetime(values, unit="s", utc=True), name=self.column.name)
        return pd.Series(values, name=self.column.name)


@dataclass(frozen=True)
class CategoryAt:
    """A column of categories, and the first of the inputs that hold them."""

    column: CategoryColumn
    first: int

    @property
    def names(self) -> tuple[str, ...]:
        """The categories in words."""
        return tuple(MISSING if name is None else name for name in self.column.categories)

    def shares(self, x: Array) -> Array:
        """How much of each category is in the rows: (rows, features) → (rows, categories)."""
        return x[:, self.first : self.first + len(self.column.categories)]

    def restore(self, x: Array) -> pd.Series[Any]:
        """The names: None where missing, "(other)" where it is none of the known ones: (rows, features) → (rows,)."""
        shares = self.shares(x)
        known = np.asarray([*self.column.categories, OTHER], object)
        return pd.Series(known[np.where(shares.max(1) > 0, shares.argmax(1), -1)], name=self.column.name, dtype=object)


At: TypeAlias = NumberAt | CategoryAt


def standing(features: TableFeatures) -> tuple[At, ...]:
    """The columns of a table with the inputs in which they stand: numbers and dates first, then categories."""

    values = _counted([c.value for c in features.numbers], 0)
    missing = _counted([c.indicator for c in features.numbers], sum(c.value for c in features.numbers))
    before = sum(c.value + c.indicator for c in features.numbers)
    firsts = np.cumsum([before, *(len(c.categories) for c in features.categories)]).tolist()
    return (
        *(NumberAt(*found) for found in zip(features.numbers, values, missing, strict=True)),
        *(CategoryAt(column, first) for column, first in zip(features.categories, firsts, strict=False)),
    )


def restore(features: TableFeatures, x: Array) -> pd.DataFrame:
    """A table in the units of the data, from inputs: what `features.transform` makes (rows, features) of it.

    Numbers come back to the precision of float32, missing values as missing, categories by name; columns that gave no
    input are absent, and a category that is none of the known ones is "(other)".

    >>> table = pd.DataFrame({"age": [20, 60, None, 20], "city": ["Rome", "Bern", "Rome", "Bern"]})
    >>> features = TableFeatures.fit(table)
    >>> restore(features, features.transform(table)).to_dict("list")
    {'age': [20.0, 60.0, nan, 20.0], 'city': ['Rome', 'Bern', 'Rome', 'Bern']}

    Raises:
        InputError: another number of inputs.
    """
    if x.shape[1:] != features.input_shape:
        raise InputError(f"restore: rows of shape {features.input_shape} are needed, got {x.shape[1:]}.")
    return pd.DataFrame({at.column.name: at.restore(x) for at in standing(features)})


def restore_array(features: ArrayFeatures, x: Array) -> Floats:
    """An array in the units of the data, from inputs: what `features.transform` makes (rows, …) of it.

    Raises:
        InputError: images were whitened.
    """
    if features.whitening is not None:
        raise InputError("restore: whitened images cannot be brought back; load them without whiten=.")
    values = x.astype(np.float64) * np.asarray(features.scale) + np.asarray(features.mean)
    return cast(Floats, values * 255 if features.pixels else values)


def _counted(there: list[bool], first: int) -> list[int | None]:
    """Numbers from `first` on for those that are there."""
    ends = np.cumsum([first, *there]).tolist()
    return [place if present else None for place, present in zip(ends, there, strict=False)]


def _to_digits(values: Floats, finest: Floats) -> Floats:
    """Decimal numbers as coarse as `finest`, so that whole ones come back as whole ones."""
    places = np.floor(-np.log10(finest))
    power = 10.0 ** np.abs(places)
    return cast(Floats, np.where(places >= 0, np.round(values * power) / power, np.round(values / power) * power))


def _to_steps(values: Floats, finest: Floats) -> Floats:
    """Whole seconds, minutes, hours or days."""
    steps = np.asarray(STEPS)
    step = steps[np.searchsorted(steps, finest).clip(max=len(steps) - 1)]
    return cast(Floats, np.round(values / step) * step)
