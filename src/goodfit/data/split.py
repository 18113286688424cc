"""The four parts of a data set: train, stop, validation and test."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from goodfit.data.arrays import Features
from goodfit.data.checks import quoted
from goodfit.data.duplicates import Duplicates, count_duplicates
from goodfit.data.inputs import PLAIN, InputOptions
from goodfit.data.rows import Division, Rows, add_note
from goodfit.data.storage import RowSubset, is_large, is_mapped
from goodfit.data.tables import FrameFeatures, Preprocessing, frame_features
from goodfit.data.task import Task, TaskSpec
from goodfit.errors import InputError
from goodfit.types import Array

PARTS = ("train", "stop", "validation", "test")
SIZES = (0.6, 0.1, 0.15, 0.15)


@dataclass(frozen=True, eq=False)
class Part:
    """Inputs and targets of some rows, and the positions of these rows in the data. Training never changes them.

    Shape: x (rows, \\*input_shape) float32, int64 for texts; y (rows,) int64 class indices, (rows, height, width)
    uint8 class indices of masks, or (rows, 1) float32 values, standardized with the training part's mean and scale;
    rows (rows,), for an official test part the positions within that part.

    Raises:
        InputError: x, y and rows have different lengths.
    """

    x: torch.Tensor
    y: torch.Tensor
    rows: Rows

    def __post_init__(self) -> None:
        """Check the lengths."""
        if not len(self.x) == len(self.y) == len(self.rows):
            raise InputError(
                f"Part: x has {len(self.x)} rows, y {len(self.y)}, rows {len(self.rows)}; they must be equal."
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rows={len(self)}, x={tuple(self.x.shape)}, y={tuple(self.y.shape)})"


@dataclass(frozen=True, eq=False, repr=False)
class TrainPart(Part):
    """The training rows. Augmentation, sampling and noise accept this type only, so that no other part is changed."""


@dataclass(frozen=True, eq=False)
class Split:
    """The four parts of a data set, and the preprocessing that was learned from the training part.

    `stop` is for early stopping, `validation` for comparing recipes; `test` is used once, at the end. `how` names the
    method of division, `note` says what could not be done as requested ("" if nothing), and `duplicates` counts the
    rows that occur in two parts. `preprocessing` is None if the split was made with `from_tensors`.
    """

    train: TrainPart
    stop: Part
    validation: Part
    test: Part
    spec: TaskSpec
    preprocessing: Preprocessing | None
    seed: int
    how: str
    duplicates: Duplicates
    note: str = ""

    @property
    def parts(self) -> dict[str, Part]:
        """The four parts by name."""
        return {"train": self.train, "stop": self.stop, "validation": self.validation, "test": self.test}

    @property
    def nbytes(self) -> int:
        """The size of the inputs of all rows in bytes; their values are not read."""
        return sum(len(part) for part in self.parts.values()) * int(self.train.x[:1].nbytes)

    @property
    def text(self) -> str:
        """A summary in one line: rows per part, method of division, notes."""
        rows = ", ".join(f"{name} {len(part)}" for name, part in self.parts.items())
        notes = "".join(f"; {note}" for note in (self.note, self.duplicates.text) if note)
        return f"{self.spec.name}: {rows} ({self.how}, seed {self.seed}){notes}"

    def __repr__(self) -> str:
        return f"Split({self.text})"


@dataclass(frozen=True, eq=False)
class RawData:
    """Raw features, encoded targets and, if there is one, the official test part: the source of every split.

    `folder` is where tensors that do not fit into memory are stored, by default `default_cache_folder()`.
    """

    x: Features
    y: Array
    task: Task
    target: str
    classes: tuple[str, ...]
    name: str
    test: tuple[Features, Array] | None
    input_options: InputOptions = PLAIN
    folder: Path | None = None
    layouts: dict[bytes, FrameFeatures] = field(default_factory=dict, repr=False)

    def layout(self, test: Rows) -> FrameFeatures | None:
        """What decides which inputs a table or texts have: their encoding learned from all rows but these test rows.

        It is the same for all seeds and folds, so that one network fits all of them; targets play no part.
        """
        if not isinstance(self.x, pd.DataFrame):
            return None
        key = test.tobytes()
        if key not in self.layouts:
            rows = np.setdiff1d(np.arange(len(self.y)), test, assume_unique=True)
            self.layouts[key] = frame_features(self.x.iloc[rows], self.input_options)
        return self.layouts[key]


def build_split(source: RawData, division: Division, *, seed: int, how: str, codes: Mapping[str, Rows]) -> Split:
    """Fit the preprocessing on the training rows and convert the four parts to tensors.

    Raises:
        InputError: no column varies among the training rows.
    """
    regression = source.task == "regression"
    x_train, y_train = take_features(source.x, division.train, source.folder), source.y[division.train]
    layout = source.layout(division.test)
    preprocessing = Preprocessing.fit(x_train, y_train if regression else None, source.input_options, layout)
    train = TrainPart(*_tensors(preprocessing, x_train, y_train, regression), division.train)
    stop, validation, test = (_part(source, preprocessing, division, name) for name in PARTS[1:])
    outputs = 1 if regression else len(source.classes)
    shape = preprocessing.input_shape
    spec = TaskSpec(source.task, source.target, source.classes, shape, outputs, source.name, preprocessing.inputs)
    division = add_note(division, preprocessing.features.note)
    counted = _duplicates(codes, division)
    return Split(train, stop, validation, test, spec, preprocessing, seed, how, counted, division.note)


def _part(source: RawData, preprocessing: Preprocessing, division: Division, name: str) -> Part:
    """One part other than train."""
    rows = getattr(division, name)
    features, y = source.x, source.y[rows]
    if name == "test" and source.test is not None:
        features, y = source.test
        rows = np.arange(len(y))
    x = take_features(features, rows, source.folder)
    return Part(*_tensors(preprocessing, x, y, source.task == "regression"), rows)


def part_counts(n: int, sizes: tuple[float, float, float, float], official: bool) -> tuple[int, int, int]:
    """The numbers of stop, validation and test rows among n rows; the other rows are for training.

    With an official test part, n is divided in the proportion of the first three sizes.

    >>> part_counts(1000, (0.6, 0.1, 0.15, 0.15), official=False)
    (100, 150, 150)

    Raises:
        InputError: the sizes are not four positive numbers with sum 1, or a part would have no rows.
    """
    check_sizes(sizes, official)
    whole = sum(sizes[:3]) if official else 1.0
    shares = dict(zip(PARTS, sizes[:3] if official else sizes, strict=False))
    counts = {name: round(n * share / whole) for name, share in shares.items()}
    counts["train"] = n - sum(count for name, count in counts.items() if name != "train")
    for name, count in counts.items():
        if count < (2 if name == "train" else 1):
            raise InputError(
                f"split: the {name} part would have {max(count, 0)} of {n} rows at size {shares[name]:g}; use more "
                "rows or a larger size."
            )
    return counts["stop"], counts["validation"], counts.get("test", 0)


def check_sizes(sizes: tuple[float, ...], official: bool) -> None:
    """Check that sizes are four positive numbers with sum 1; with an official test part, the last may be 0.

    Raises:
        InputError: they are not.
    """
    rule = "split: sizes must be four positive numbers (train, stop, validation, test) with sum 1"
    try:
        values = [float(size) for size in sizes]
    except (TypeError, ValueError) as error:
        raise InputError(f"{rule}, got sizes={sizes!r}.") from error
    needed = values[:3] if official else values
    if len(values) != 4 or not all(math.isfinite(v) and v >= 0 for v in values) or min(needed) <= 0:
        raise InputError(f"{rule}, got sizes={sizes!r}.")
    if abs(sum(values) - 1) > 1e-6:
        raise InputError(f"{rule}, got sizes={sizes!r} with sum {sum(values):g}.")


def take_features(x: Features, rows: Rows, folder: Path | None = None) -> Any:
    """Some rows of a table or an array; large ones are read when they are needed (see `RowSubset`)."""
    if not isinstance(x, np.ndarray):
        return x.iloc[rows]
    lazy = is_mapped(x) or is_large(len(rows) * x[:1].nbytes)
    return RowSubset(x, rows, folder) if lazy else np.ascontiguousarray(x[rows])


def _tensors(
    preprocessing: Preprocessing, x: Features, y: Array, regression: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = torch.from_numpy(np.ascontiguousarray(preprocessing.transform(x)))
    if regression:
        return inputs, torch.from_numpy(preprocessing.scale_target(y).reshape(-1, 1))
    return inputs, torch.from_numpy(np.array(y, y.dtype if y.ndim > 1 else np.int64))


def check_classes(source: RawData, division: Division) -> Division:
    """Check that the training rows have two classes; add a note about the classes that a part lacks.

    Raises:
        InputError: the training rows have a single class.
    """
    if source.task == "regression":
        return division
    counts = np.bincount(source.y[division.train].reshape(-1), minlength=len(source.classes))
    absent = [name for name, count in zip(source.classes, counts, strict=True) if count == 0]
    if len(source.classes) - len(absent) < 2:
        raise InputError(
            f"split: the training part would have a single class, without {quoted(absent)}; "
            "use other groups or times, or how='shuffle'."
        )
    if absent:
        division = add_note(division, f"there is no training row of class {quoted(absent)}")
    return division if source.y.ndim > 1 else _note_absent_classes(source, division)


def _note_absent_classes(source: RawData, division: Division) -> Division:
    """Add a note on the classes that parts other than train lack; of rare ones, how many rows they need."""
    parts = {name: source.y[getattr(division, name)] for name in PARTS[1:]}
    if source.test is not None:
        parts["test"] = source.test[1]
    totals = np.bincount(source.y, minlength=len(source.classes)).tolist()
    lacking: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for code, total in enumerate(totals):
        where = tuple(part for part, y in parts.items() if total and code not in y)
        if where:
            lacking[where].append(code)
    for where, codes in lacking.items():
        enough = max(rows_enough(len(source.y), len(parts[part])) for part in where)
        fewest = min(totals[code] for code in codes)
        rare = f" ({fewest} rows in all, about {enough} would be enough)" if fewest < enough else ""
        names = quoted([source.classes[code] for code in codes])
        division = add_note(division, f"there is no {' and no '.join(where)} row of class {names}{rare}")
    return division


def rows_enough(rows: int, part: int) -> int:
    """The number of rows that a class needs so that a part of this size has one of them.

    >>> rows_enough(200, 20)
    10
    """
    return -(-rows // max(1, part))


def _duplicates(codes: Mapping[str, Rows], division: Division) -> Duplicates:
    parts = {name: codes["data"][getattr(division, name)] for name in PARTS}
    if "test" in codes:
        parts["test"] = codes["test"]
    return count_duplicates(parts)
