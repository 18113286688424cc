"""The data set: checked features and encoded targets, which can be split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from goodfit.checks import whole_number
from goodfit.data.arrays import Features
from goodfit.data.columns import column_type, first_other, numbers, seconds
from goodfit.data.duplicates import row_codes
from goodfit.data.inputs import PLAIN, InputOptions
from goodfit.data.rows import Division, RowInfo, Rows, SplitMethod, divide, divide_folds
from goodfit.data.split import SIZES, RawData, Split, build_split, check_classes, check_sizes, part_counts
from goodfit.data.task import Task
from goodfit.errors import InputError, near
from goodfit.types import Array

How: TypeAlias = Literal["auto", "stratified", "shuffle", "grouped", "time"]
METHODS = ("auto", "stratified", "shuffle", "grouped", "time")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Features and encoded targets, as returned by `load`; arrays that do not fit into memory are memory-mapped.

    `classes` are the sorted names of the classes. `test` is an official test part (x, y), if the data has one.
    `folder` is where large tensors are stored, by default `goodfit.data.storage.default_cache_folder()`.

    Shape: x (rows, …); y (rows,) int64 class indices or float64 values, or masks (rows, height, width) uint8; groups
    and time (rows,) or None.
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
        """The kind of data: table, series, image, video, sound or text."""
        return self.input_options.kind

    @property
    def rate(self) -> float:
        """Samples per second of sounds or frames per second of videos; 0 if unknown."""
        return self.input_options.rate

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        task = f"{len(self.classes)} classes" if self.classes else "regression"
        official = f", test={len(self.test[1])}" if self.test else ""
        shape = " × ".join(str(n) for n in self.x.shape)
        return f"Dataset({self.name}: {shape}, target '{self.target}', {task}{official})"

    def split(
        self,
        seed: int = 0,
        *,
        sizes: tuple[float, float, float, float] = SIZES,
        how: How = "auto",
        test_seed: int = 0,
    ) -> Split:
        """Divide the rows into train, stop (for early stopping), validation (for comparing recipes) and test.

        Args:
            seed: seed of the division into train, stop and validation.
            sizes: shares of train, stop, validation and test, with sum 1. If the data has an official test part, that
                is the test part, and the other rows are divided in the proportion of the first three sizes.
            how: the method: "stratified" (classes), "shuffle", "grouped" (each group in one part) or "time" (in time
                order; seeds have no effect). "auto" is "grouped" if the data has groups, "time" if it has times, else
                "stratified" for classes and "shuffle" for regression.
            test_seed: seed with which the test rows are chosen; they do not depend on `seed`.

        Raises:
            InputError: invalid sizes, seeds or method; too few rows, groups or times.
        """
        return self.build(self.division(seed, sizes=sizes, how=how, test_seed=test_seed), seed)

    def folds(
        self,
        k: int = 5,
        seed: int = 0,
        *,
        sizes: tuple[float, float, float, float] = SIZES,
        how: How = "auto",
        test_seed: int = 0,
    ) -> list[Split]:
        """k splits for cross-validation, with fold i as the validation part of split i and a common test part.

        The arguments are those of `split`; of `sizes`, only the shares of stop and test are used. The test rows are
        those of `split` with the same `test_seed` and sizes.

        Raises:
            InputError: as for `split`; k below 2 or too large for the rows.
        """
        divisions = self.fold_divisions(k, seed, sizes=sizes, how=how, test_seed=test_seed)
        return [self.build(division, seed) for division in divisions]

    def fold_divisions(
        self,
        k: int,
        seed: int = 0,
        *,
        sizes: tuple[float, float, float, float] = SIZES,
        how: How = "auto",
        test_seed: int = 0,
    ) -> list[Division]:
        """The rows of the parts of each of the `folds`, without the data.

        Raises:
            InputError: as for `folds`; the training rows of a fold have a single class.
        """
        k = whole_number("folds", "k", k, 2)
        seed, test_seed = whole_number("folds", "seed", seed, 0), whole_number("folds", "test_seed", test_seed, 0)
        check_sizes(sizes, self.test is not None)
        counts = part_counts(len(self), sizes, self.test is not None)
        divisions = divide_folds(self._row_info(how), k, counts, seed=seed, test_seed=test_seed)
        return [check_classes(self._source, division) for division in divisions]

    def division(
        self,
        seed: int = 0,
        *,
        sizes: tuple[float, float, float, float] = SIZES,
        how: How = "auto",
        test_seed: int = 0,
    ) -> Division:
        """The rows of the parts of the `split`, without the data.

        Raises:
            InputError: as for `split`.
        """
        seed, test_seed = whole_number("split", "seed", seed, 0), whole_number("split", "test_seed", test_seed, 0)
        counts = part_counts(len(self), sizes, self.test is not None)
        division = divide(self._row_info(how), counts, seed=seed, test_seed=test_seed)
        return check_classes(self._source, division)

    def build(self, division: Division, seed: int = 0) -> Split:
        """The split with the rows of a division; `seed` is only recorded.

        Raises:
            InputError: no column varies among the training rows.
        """
        return build_split(self._source, division, seed=seed, how=division.how, codes=self._codes)

    def group_codes(self) -> Rows:
        """A number from 0 for the group of each row (rows,)."""
        assert self.groups is not None
        return pd.factorize(pd.Series(self.groups))[0].astype(np.int64)

    def _row_info(self, how: str) -> RowInfo:
        method = self._method(how)
        groups = rank = None
        if method == "grouped":
            groups = self.group_codes()
        if method == "time":
            assert self.time is not None
            rank = time_rank(self.time)
        classes = self.y if self.task == "classification" else None
        return RowInfo(len(self), method, classes, groups, rank)

    def _method(self, how: str) -> SplitMethod:
        if how not in METHODS:
            raise InputError(
                f"split: how must be one of {', '.join(METHODS)}, got how={how!r}.{near(str(how), METHODS)}"
            )
        if how == "auto" and self.groups is not None and self.time is not None:
            raise InputError(
                f"split: how must be 'grouped' or 'time' for data with groups and times, got how={how!r}; choose one, "
                "or leave out the groups or the times."
            )
        if how == "grouped" or (how == "auto" and self.groups is not None):
            if self.groups is None:
                raise InputError(f"split: how={how!r} needs groups; use load(…, groups=column or array).")
            return "grouped"
        if how == "time" or (how == "auto" and self.time is not None):
            if self.time is None:
                raise InputError(f"split: how={how!r} needs times; use load(…, time=column or array).")
            return "time"
        if how == "stratified" and self.task != "classification":
            raise InputError(f"split: how='stratified' needs classes, but the task is {self.task}; use how='shuffle'.")
        return "stratified" if how != "shuffle" and self.task == "classification" else "shuffle"

    @cached_property
    def _source(self) -> RawData:
        return RawData(
            self.x, self.y, self.task, self.target, self.classes, self.name, self.test, self.input_options, self.folder
        )

    @cached_property
    def _codes(self) -> dict[str, Rows]:
        """Row codes for counting duplicates, computed once for all splits and folds."""
        if self.test is None:
            return {"data": row_codes(self.x)}
        codes = row_codes(self.x, self.test[0])
        return {"data": codes[: len(self)], "test": codes[len(self) :]}


def time_rank(time: Array) -> Rows:
    """Ranks of times (numbers, dates or ISO texts); equal times have equal ranks.

    >>> time_rank(np.array(["2024-02-01", "2023-01-01", "2024-02-01"])).tolist()
    [1, 0, 1]

    Raises:
        InputError: missing times, or texts that are neither numbers nor ISO dates.
    """
    column = pd.Series(time)
    content = column_type(column)
    if content == "category":
        raise _time_error(*first_other(column, dates=True))
    values = seconds(column) if content == "date" else numbers(column)
    missing = np.isnan(values)
    if missing.any():
        row = int(missing.argmax())
        raise _time_error(row, column.iloc[row])
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _time_error(row: int, value: object) -> InputError:
    return InputError(
        f"split: time must hold only numbers or only ISO dates (2024-05-31), got {value!r} in row {row}; fix or drop "
        "that row."
    )
