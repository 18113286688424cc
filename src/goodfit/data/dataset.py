"""Loaded data, checked and with encoded targets, that can be divided."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from goodfit.checks import whole_number
from goodfit.data.arrays import Features
from goodfit.data.columns import column_type, numbers, seconds
from goodfit.data.duplicates import row_codes
from goodfit.data.inputs import PLAIN, InputOptions
from goodfit.data.rows import RowInfo, Rows, SplitMethod, divide, divide_folds
from goodfit.data.split import SIZES, RawData, Split, build_split, check_sizes, part_counts
from goodfit.data.task import Task
from goodfit.errors import InputError, near
from goodfit.types import Array

Way: TypeAlias = Literal["auto", "stratified", "shuffle", "grouped", "time"]
WAYS = ("auto", "stratified", "shuffle", "grouped", "time")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Features and encoded targets, as `load` returns them: in memory, or in a file where they do not fit into it.

    Shape: x (rows, …); y (rows,) int64 class indices or float64 values; groups and time (rows,) or None; test
    is an official test part (x, y) in the same form, or None. `classes` are the sorted names of the classes, `kind`
    is what x is: a table, images, … (see `goodfit.data.inputs`); rate: a sound's samples per second, 0 where unknown.
    `folder`: where tensors lie that do not fit into memory, None: in the usual one (see `goodfit.data.storage`).
    """

    name: str
    x: Features
    y: Array
    task: Task
    target: str
    classes: tuple[str, ...] = ()
    groups: Array | None = None
    time: Array | None = None
    test: tuple[Features, Array] | None = None
    input_options: InputOptions = PLAIN
    folder: Path | None = None

    @property
    def kind(self) -> str:
        """What x is: a table, images, … (see `goodfit.data.inputs`)."""
        return self.input_options.kind

    @property
    def rate(self) -> float:
        """A sound's samples or a clip's frames per second, 0 where unknown."""
        return self.input_options.rate

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else "regression"
        official = f", test={len(self.test[1])}" if self.test else ""
        shape = " × ".join(str(n) for n in self.x.shape)
        return f"Dataset({self.name}: {shape}, target '{self.target}', {what}{official})"

    def split(
        self,
        seed: int = 0,
        *,
        sizes: tuple[float, float, float, float] = SIZES,
        how: Way = "auto",
        test_seed: int = 0,
    ) -> Split:
        """Divide into train, stop, validation and test.

        `how="auto"` is by group where groups were given, by time where times were given, else stratified for
        classes
        and shuffled for numbers. The test rows depend on `test_seed` alone, so that they stay closed while
        `seed` reshuffles the others; in time order no seed matters. An official test part is the test part:
        then the first three sizes share all other rows.

        Raises:
            InputError: sizes, seeds or a way that do not fit; too few rows, groups or times.
        """
        seed, test_seed = whole_number("split", "seed", seed, 0), whole_number("split", "test_seed", test_seed, 0)
        counts = part_counts(len(self), sizes, self.test is not None)
        layout = self._layout(how)
        division = divide(layout, counts, seed=seed, test_seed=test_seed)
        return build_split(self._source, division, seed=seed, how=layout.how, codes=self._codes)

    def folds(
        self,
        k: int = 5,
        seed: int = 0,
        *,
        sizes: tuple[float, float, float, float] = SIZES,
        how: Way = "auto",
        test_seed: int = 0,
    ) -> list[Split]:
        """k splits for cross-validation: fold i is the validation part, one test part is common to all.

        Of `sizes` only stop and test count, what is left is divided by k. The test rows are those of `split`
        with the same `test_seed` and sizes.

        Raises:
            InputError: as `split`, and k below 2 or too large for the rows.
        """
        k = whole_number("folds", "k", k, 2)
        seed, test_seed = whole_number("folds", "seed", seed, 0), whole_number("folds", "test_seed", test_seed, 0)
        check_sizes(sizes, self.test is not None)
        counts = part_counts(len(self), sizes, self.test is not None)
        layout = self._layout(how)
        divisions = divide_folds(layout, k, counts, seed=seed, test_seed=test_seed)
        return [build_split(self._source, d, seed=seed, how=layout.how, codes=self._codes) for d in divisions]

    def _layout(self, how: str) -> RowInfo:
        way = self._way(how)
        groups = rank = None
        if way == "grouped":
            assert self.groups is not None
            groups = pd.factorize(pd.Series(self.groups))[0].astype(np.int64)
        if way == "time":
            assert self.time is not None
            rank = time_rank(self.time)
        classes = self.y if self.task == "classification" else None
        return RowInfo(len(self), way, classes, groups, rank)

    def _way(self, how: str) -> SplitMethod:
        if how not in WAYS:
            raise InputError(f"split: how must be one of {', '.join(WAYS)}, got {how!r}.{near(str(how), WAYS)}")
        if how == "auto" and self.groups is not None and self.time is not None:
            raise InputError("split: this data has groups and times; say how='grouped' or how='time'.")
        if how == "grouped" or (how == "auto" and self.groups is not None):
            if self.groups is None:
                raise InputError("split: how='grouped' needs groups; give load(…, groups=column or array).")
            return "grouped"
        if how == "time" or (how == "auto" and self.time is not None):
            if self.time is None:
                raise InputError("split: how='time' needs times; give load(…, time=column or array).")
            return "time"
        if how == "stratified" and self.task != "classification":
            raise InputError(f"split: how='stratified' needs classes, this is a {self.task}; say how='shuffle'.")
        return "stratified" if how != "shuffle" and self.task == "classification" else "shuffle"

    @cached_property
    def _source(self) -> RawData:
        told = self.name, self.test, self.input_options, self.folder
        return RawData(self.x, self.y, self.task, self.target, self.classes, *told)

    @cached_property
    def _codes(self) -> dict[str, Rows]:
        """Row codes for the count of duplicates; computed once, because every fold needs them."""
        if self.test is None:
            return {"data": row_codes(self.x)}
        codes = row_codes(self.x, self.test[0])
        return {"data": codes[: len(self)], "test": codes[len(self) :]}


def time_rank(time: Array) -> Rows:
    """Positions in time: numbers, dates or ISO texts as ranks, equal times with equal ranks.

    >>> time_rank(np.array(["2024-02-01", "2023-01-01", "2024-02-01"])).tolist()
    [1, 0, 1]

    Raises:
        InputError: texts that are neither numbers nor ISO dates.
    """
    column = pd.Series(time)
    what = column_type(column)
    if what == "category":
        raise InputError(f"split: time holds {column.iloc[0]!r}; give numbers or ISO dates (2024-05-31).")
    values = seconds(column) if what == "date" else numbers(column)
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
