"""Data divided once and for all into train, stop, validation and test; only train may be augmented."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from goodfit.data.arrays import Features
from goodfit.data.checks import listed
from goodfit.data.duplicates import Duplicates, count_duplicates
from goodfit.data.inputs import PLAIN, InputOptions
from goodfit.data.rows import Division, Rows, with_note
from goodfit.data.storage import RowSubset, is_large, is_mapped
from goodfit.data.tables import Preprocessing
from goodfit.data.task import Task, TaskSpec
from goodfit.errors import InputError
from goodfit.types import Array

PARTS = ("train", "stop", "validation", "test")
SIZES = (0.6, 0.1, 0.15, 0.15)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that are only ever looked at: inputs, targets, and where the rows stood in the data.

    Shape: x (rows, \\*input_shape) float32, int64 for texts; y (rows,) int64 class indices, (rows, height, width)
    uint8 ones of masks, or (rows, 1) float32 values, standardised with the training part's mean and scale; rows
    (rows,), for an official test part counted within that part.

    Raises:
        InputError: x, y and rows have different lengths.
    """

    x: torch.Tensor
    y: torch.Tensor
    rows: Rows

    def __post_init__(self) -> None:
        """Refuse what cannot be one row each."""
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
    """The training rows: the only part whose type augmentation, sampling and noise accept.

    Whatever changes examples takes a `TrainPart`; `stop`, `validation` and `test` are plain `Part`s and cannot be
    passed.
    """


@dataclass(frozen=True, eq=False)
class Split:
    """Four parts with what was learned from the first: the data side of every run.

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
    def text(self) -> str:
        """One line for people: rows, division, remarks."""
        rows = ", ".join(f"{name} {len(part)}" for name, part in self.parts.items())
        remarks = "".join(f"; {remark}" for remark in (self.note, self.duplicates.text) if remark)
        return f"{self.spec.name}: {rows} ({self.how}, seed {self.seed}){remarks}"

    def __repr__(self) -> str:
        return f"Split({self.text})"


@dataclass(frozen=True, eq=False)
class Source:
    """What a split is built from: raw features, encoded targets, the official test part if there is one."""

    x: Features
    y: Array
    task: Task
    target: str
    classes: tuple[str, ...]
    name: str
    test: tuple[Features, Array] | None
    input_options: InputOptions = PLAIN
    folder: Path | None = None  # where tensors lie that do not fit into memory; None: in the usual one


def build(source: Source, division: Division, *, seed: int, how: str, codes: Mapping[str, Rows]) -> Split:
    """Learn the preprocessing on the training rows and make the four parts of tensors.

    Raises:
        InputError: the training rows hold one class only, or no column varies over them.
    """
    division = _check_classes(source, division)
    regression = source.task == "regression"
    x_train, y_train = take(source.x, division.train, source.folder), source.y[division.train]
    preprocessing = Preprocessing.fit(x_train, y_train if regression else None, source.input_options)
    train = TrainPart(*_tensors(preprocessing, x_train, y_train, regression), division.train)
    others = {}
    for name in PARTS[1:]:
        rows = getattr(division, name)
        features, y = source.x, source.y[rows]
        if name == "test" and source.test is not None:
            features, y = source.test
            rows = np.arange(len(y))
        x = take(features, rows, source.folder)
        others[name] = Part(*_tensors(preprocessing, x, y, regression), rows)
    outputs = 1 if regression else len(source.classes)
    shape = preprocessing.input_shape
    spec = TaskSpec(source.task, source.target, source.classes, shape, outputs, source.name, preprocessing.inputs)
    counted = _duplicates(codes, division)
    remark = getattr(preprocessing.features, "note", "")
    division = with_note(division, remark) if remark else division
    return Split(train, **others, spec=spec, preprocessing=preprocessing, seed=seed, how=how,
                 duplicates=counted, note=division.note)  # fmt: skip


def part_counts(n: int, sizes: tuple[float, float, float, float], official: bool) -> tuple[int, int, int]:
    """Rows of stop, validation and test for n rows; with an official test part the first three sizes share them.

    >>> part_counts(1000, (0.6, 0.1, 0.15, 0.15), official=False)
    (100, 150, 150)

    Raises:
        InputError: sizes that are not four positive shares with sum 1, or a part without rows.
    """
    check_sizes(sizes, official)
    whole = sum(sizes[:3]) if official else 1.0
    shares = dict(zip(PARTS, sizes[:3] if official else sizes, strict=False))
    counts = {name: round(n * share / whole) for name, share in shares.items()}
    counts["train"] = n - sum(count for name, count in counts.items() if name != "train")
    for name, count in counts.items():
        if count < (2 if name == "train" else 1):
            raise InputError(
                f"split: {n} rows leave {max(count, 0)} for {name} at size {shares[name]:g}; give more rows or size."
            )
    return counts["stop"], counts["validation"], counts.get("test", 0)


def check_sizes(sizes: tuple[float, ...], official: bool) -> None:
    """Refuse sizes that are not four positive shares with sum 1; an official test part allows 0 for test.

    Raises:
        InputError: says the rule and the given sizes.
    """
    rule = "split: sizes must be four positive numbers (train, stop, validation, test) with sum 1"
    try:
        values = [float(size) for size in sizes]
    except (TypeError, ValueError) as error:
        raise InputError(f"{rule}, got {sizes!r}.") from error
    needed = values[:3] if official else values
    if len(values) != 4 or not all(math.isfinite(v) and v >= 0 for v in values) or min(needed) <= 0:
        raise InputError(f"{rule}, got {sizes!r}.")
    if abs(sum(values) - 1) > 1e-6:
        raise InputError(f"{rule}, got {sizes!r} with sum {sum(values):g}.")


def take(x: Features, rows: Rows, folder: Path | None = None) -> Any:
    """The given rows of a table or an array; those that do not fit into memory are fetched when they are needed."""
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


def _check_classes(source: Source, division: Division) -> Division:
    """Refuse training rows of one class; note classes that training never sees."""
    if source.task == "regression":
        return division
    counts = np.bincount(source.y[division.train].reshape(-1), minlength=len(source.classes))
    absent = [name for name, count in zip(source.classes, counts, strict=True) if count == 0]
    if len(source.classes) - len(absent) < 2:
        raise InputError(
            f"split: the training part would hold one class only, without {listed(absent)}; "
            "divide by other groups or times, or shuffle (how='shuffle')."
        )
    return with_note(division, f"training sees no row of class {listed(absent)}") if absent else division


def _duplicates(codes: Mapping[str, Rows], division: Division) -> Duplicates:
    own = {name: codes["data"][getattr(division, name)] for name in PARTS}
    if "test" in codes:
        own["test"] = codes["test"]
    return count_duplicates(own)
