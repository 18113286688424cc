"""From tables of numbers, dates and categories to float32 inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from goodfit.data.checks import quoted
from goodfit.data.columns import Floats, category_codes, column_type, numbers, seconds
from goodfit.data.inputs import Inputs
from goodfit.data.kinds import TrainingRows
from goodfit.data.table_columns import CategoryColumn, NumberColumn
from goodfit.errors import InputError, near
from goodfit.types import Array

MAX_CATEGORIES = 200
"""Categories of a column that get an input: the most frequent ones."""


@dataclass(frozen=True)
class TableFeatures:
    """The encoding of a table as float32 inputs.

    The inputs are, in order: the standardized numbers, the 0/1 indicators of missing numbers, and the 0/1 inputs of
    each column of categories. Columns that are constant or always missing give no input, and later tables need not
    have them. Fill values, means and scales are learned from the training rows. Which columns and categories have an
    input follows from these rows too, or from a `layout`: the encoding of all rows that are not test rows, so that
    every split has the same inputs.

    Shape: a table of rows → (rows, features) float32.
    """

    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    stored_as: ClassVar[str] = "table"
    note: ClassVar[str] = ""

    @classmethod
    def fit(cls, x: pd.DataFrame, layout: TableFeatures | None = None) -> TableFeatures:
        """Learn the encoding from the training rows; with a layout, its columns and categories have the inputs.

        Raises:
            InputError: all columns are constant.
        """
        x = x.set_axis(x.columns.map(str), axis=1)
        if layout is not None:
            return layout._refitted(x)
        kinds = {name: column_type(x[name]) for name in x.columns}
        values = {name: (seconds if what == "date" else numbers)(x[name])
                  for name, what in kinds.items() if what != "category"}  # fmt: skip
        learned = cls(
            _fit_numbers({name: v for name, v in values.items() if not np.isnan(v).all()}, kinds),
            _fit_categories(x[[name for name, what in kinds.items() if what == "category"]]),
        )
        if not learned.feature_names:
            raise _constant(x)
        return learned

    def _refitted(self, x: pd.DataFrame) -> TableFeatures:
        """The same inputs, learned from other rows."""
        kinds = {c.name: c.kind for c in self.numbers}
        values = {c.name: c.read(x[c.name]) for c in self.numbers}
        present = {name: v for name, v in values.items() if not np.isnan(v).all()}
        fitted = {c.name: c for c in _fit_numbers(present, kinds, keep_constant=True)}
        numbers = tuple(c.fitted(fitted.get(c.name)) for c in self.numbers)
        categories = tuple(c.fitted(x[c.name]) for c in self.categories)
        if not any(c.varies for c in numbers) and not any(x[c.name].nunique(dropna=False) > 1 for c in categories):
            raise _constant(x)
        return TableFeatures(numbers, categories)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each input: `age`, `age is missing`, `city=Rome`, `city=(missing)`."""
        values = [c.name for c in self.numbers if c.value]
        missing = [f"{c.name} is missing" for c in self.numbers if c.indicator]
        blocks = [f"{c.name}={'(missing)' if one is None else one}" for c in self.categories for one in c.categories]
        return (*values, *missing, *blocks)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one transformed row."""
        return (len(self.feature_names),)

    @property
    def inputs(self) -> Inputs:
        """The properties of the inputs that techniques use: which inputs together encode a category.

        An indicator of missing numbers is a group of one input.
        """
        first, missing = sum(c.value for c in self.numbers), sum(c.indicator for c in self.numbers)
        ends = np.cumsum([first, *[1] * missing, *(len(c.categories) for c in self.categories)]).tolist()
        return Inputs(groups=tuple(pairwise(ends)))

    @property
    def training_rows(self) -> TrainingRows:
        """What files must have to be transformed as the training rows were."""
        return TrainingRows(self.input_shape)

    def transform(self, data: object) -> npt.NDArray[np.float32]:
        """Encode a table; columns that were not in the training rows are ignored.

        Raises:
            InputError: not a table, missing columns, or a column of another type than in the training rows.
        """
        frame = self._checked(data)
        raw = {c.name: c.read(frame[c.name]) for c in self.numbers}
        out = np.zeros((len(frame), *self.input_shape), np.float32)
        first = 0
        for number in (c for c in self.numbers if c.value):
            values = raw[number.name]
            filled = np.where(np.isnan(values), number.fill, values)
            out[:, first] = (filled - number.mean) / number.scale
            first += 1
        for number in (c for c in self.numbers if c.indicator):
            out[:, first] = np.isnan(raw[number.name]) & number.missing_seen
            first += 1
        for block in self.categories:
            positions = block.positions(frame[block.name])
            known = np.flatnonzero(positions >= 0)
            out[known, first + positions[known]] = 1
            first += len(block.categories)
        return out

    def _checked(self, data: object) -> pd.DataFrame:
        needed = [c.name for c in self.numbers] + [c.name for c in self.categories]
        if not isinstance(data, pd.DataFrame):
            raise InputError(
                f"transform: a DataFrame with columns {quoted(needed)} is needed, got {type(data).__name__}."
            )
        frame = data.set_axis(data.columns.map(str), axis=1)
        missing = [name for name in needed if name not in frame.columns]
        if missing:
            hint = near(missing[0], frame.columns) if len(missing) == 1 else ""
            raise InputError(f"transform: the table has no column{'s' * (len(missing) > 1)} {quoted(missing)}.{hint}")
        if frame.columns.has_duplicates:
            doubled = frame.columns[frame.columns.duplicated()].unique()
            raise InputError(f"transform: {quoted(doubled)} names more than one column; rename or drop the others.")
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.stored_as,
            "numbers": [asdict(c) for c in self.numbers],
            "categories": [asdict(c) for c in self.categories],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableFeatures:
        """The inverse of `to_dict`."""
        return cls(
            tuple(NumberColumn.from_dict(c) for c in values["numbers"]),
            tuple(
                CategoryColumn(c["name"], tuple(c["categories"]), tuple(c.get("unseen", ())))
                for c in values["categories"]
            ),
        )


def min_category_rows(rows: int) -> int:
    """The number of training rows that a category needs to get an input: 1 % of them, at least 2, at most 10.

    >>> min_category_rows(100), min_category_rows(600), min_category_rows(60_000)
    (2, 6, 10)
    """
    return max(2, min(10, rows // 100))


def _constant(x: pd.DataFrame) -> InputError:
    return InputError(
        f"split: every column is constant or missing in the training part, got {quoted(x.columns)}; use other features."
    )


def _fit_numbers(
    values: Mapping[str, Floats], kinds: Mapping[str, str], keep_constant: bool = False
) -> tuple[NumberColumn, ...]:
    """Learn medians, means and scales of columns with at least one value."""
    if not values:
        return ()
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    matrix = np.column_stack(list(values.values()))  # (row, column)
    missing = [bool(np.isnan(matrix[:, i]).any()) for i in range(len(values))]
    imputer = SimpleImputer(strategy="median", copy=True).fit(matrix)
    filled: Floats = np.asarray(imputer.transform(matrix))
    scaler = StandardScaler().fit(filled)
    varies = [bool(np.ptp(filled[:, i]) > 0) for i in range(len(values))]
    learned = (
        NumberColumn(
            name=name,
            kind="date" if kinds[name] == "date" else "number",
            value=varies[i],
            indicator=missing[i],
            fill=float(imputer.statistics_[i]),
            mean=float(scaler.mean_[i]),
            scale=float(scaler.scale_[i]),
        )
        for i, name in enumerate(values)
    )
    return tuple(column for column in learned if keep_constant or column.value or column.indicator)


def _fit_categories(x: pd.DataFrame) -> tuple[CategoryColumn, ...]:
    """Find the frequent categories of every column that is not constant."""
    learned = []
    for name in x.columns:
        codes, names = category_codes(x[name])
        column = np.asarray(names, object)[codes].reshape(-1, 1)  # (row, 1)
        frequent = _frequent(column)
        constant = len(np.unique(codes)) == 1
        if frequent and not constant:
            learned.append(CategoryColumn(str(name), frequent))
    return tuple(learned)


def _frequent(column: Array) -> tuple[str | None, ...]:
    from sklearn.preprocessing import OneHotEncoder

    # One more than the limit, because the encoder counts the rare categories together as one.
    encoder = OneHotEncoder(
        min_frequency=min_category_rows(len(column)), max_categories=MAX_CATEGORIES + 1, handle_unknown="ignore"
    ).fit(column)
    rare = encoder.infrequent_categories_[0]
    dropped = set() if rare is None else set(rare)
    return tuple(one for one in encoder.categories_[0] if one not in dropped)
