"""The columns of a table: how numbers, dates and categories become inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from goodfit.data.checks import LARGEST
from goodfit.data.columns import Floats, category_codes, numbers, seconds
from goodfit.errors import InputError


@dataclass(frozen=True)
class NumberColumn:
    """The encoding of a column of numbers or dates: missing values become `fill`, then (value − mean) / scale.

    `value` is False if the column is constant; then it gives no input. `indicator` is True if some rows have no value;
    then a 0/1 input indicates missing values. A column that has an input but is constant in the training rows has an
    infinite `scale`: its input is 0. So is an indicator if all or none of these rows have a value (`missing_seen`).
    """

    name: str
    kind: Literal["number", "date"]
    value: bool
    indicator: bool
    fill: float
    mean: float
    scale: float
    missing_seen: bool = True

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NumberColumn:
        """From plain JSON values, where an infinite scale is the text "inf"."""
        return cls(**{**values, "scale": float(values["scale"])})

    def fitted(self, learned: NumberColumn | None) -> NumberColumn:
        """The same inputs with what was learned from other rows; None: they have no value in this column."""
        if learned is None:
            return replace(self, fill=0.0, mean=0.0, scale=math.inf, missing_seen=False)
        scale = learned.scale if learned.value else math.inf
        return replace(self, fill=learned.fill, mean=learned.mean, scale=scale, missing_seen=learned.indicator)

    @property
    def varies(self) -> bool:
        """Whether one of its inputs varies among the training rows."""
        return (self.value and math.isfinite(self.scale)) or (self.indicator and self.missing_seen)

    def read(self, column: pd.Series[Any]) -> Floats:
        """The raw numbers of the column, NaN where missing.

        Raises:
            InputError: the column holds an infinite value.
        """
        values = seconds(column) if self.kind == "date" else numbers(column)
        infinite = np.abs(values) > LARGEST
        if infinite.any():
            row = int(infinite.argmax())
            raise InputError(
                f"transform: column '{self.name}' holds an infinite value in row {row}; fill it or leave it empty."
            )
        return values


@dataclass(frozen=True)
class CategoryColumn:
    """The encoding of a column of categories: one 0/1 input each; None is the category of missing values.

    All inputs are 0 for rare and unseen categories. `unseen` are categories with an input that no training row has; if
    the column is constant in the training rows, all of them.
    """

    name: str
    categories: tuple[str | None, ...]
    unseen: tuple[str | None, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CategoryColumn:
        """From plain JSON values; older files do not have `unseen`."""
        return cls(values["name"], tuple(values["categories"]), tuple(values.get("unseen", ())))

    def fitted(self, column: pd.Series[Any]) -> CategoryColumn:
        """The same inputs for other training rows."""
        codes, names = category_codes(column)  # the names always end with None
        present = {names[i] for i in np.unique(codes)}
        if len(present) < 2:  # a constant column teaches nothing
            return replace(self, unseen=self.categories)
        return replace(self, unseen=tuple(name for name in self.categories if name not in present))

    def positions(self, column: pd.Series[Any]) -> npt.NDArray[np.int64]:
        """The position of the input that is 1 in each row; −1 if there is none."""
        codes, names = category_codes(column)
        known = {name: i for i, name in enumerate(self.categories) if name not in self.unseen}
        return np.asarray([known.get(name, -1) for name in names], np.int64)[codes]
