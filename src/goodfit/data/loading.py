"""`load`: one function for every data kind; data that cannot be learned from is refused with one line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from goodfit.data.arrays import Features, as_array, as_features
from goodfit.data.checks import check_length, check_names, check_order
from goodfit.data.dataset import Dataset
from goodfit.data.inputs import InputOptions
from goodfit.data.kinds import DataKind, kind_of_array, kind_of_table, mask_kind
from goodfit.data.masks import as_masks, check_masks, encode_masks, encode_test_masks
from goodfit.data.options import ArrayOptions, Options, TimedOptions
from goodfit.data.reading.decode_options import DecodeOptions, check_for_arrays
from goodfit.data.reading.sources import Raw, read, usual_target
from goodfit.data.storage import cache_folder
from goodfit.data.task import Targets, Task, encode_targets, encode_test_targets, target_series
from goodfit.errors import InputError, near
from goodfit.types import Array


def load(
    source: object,
    target: str | None = None,
    options: Options | Sequence[Options] | None = None,
    *,
    groups: object = None,
    time: object = None,
    task: Task | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load data from a file, a folder, a table, arrays or by name; check it and encode its targets.

    Args:
        source: a path (csv, tsv, jsonl, also compressed with gz, bz2, xz; parquet; npz; a folder with a folder of files
            for each class, or with a folder `images` and a folder `masks`), a pandas DataFrame, a pair (X, y) of
            arrays, tensors, lists or pandas objects, a data set bundled with scikit-learn ("digits", "breast-cancer",
            "wine", "iris", "diabetes"), or "openml:NAME" / "openml:ID". Masks, a class for each pixel, are arrays y
            (rows, height, width).
        target: the name of the target column; without it a single column called target, class, label or y.
        options: what the data is and how its files are read: `Tables()`, `Series()`, `Images(size=64)`, `Clips()`,
            `Sounds(rate=8000, seconds=1)` or `Texts()` (see `goodfit.data.options`). Without it, the kind of data is
            inferred; of a list of records, that of the inferred kind is used.
        groups: a column of groups, or one value for each row; all rows of a group go into the same part of a split.
        time: a column of times, or one value for each row; the oldest rows are for training, the newest for the test.
        task: "classification", "regression" or "segmentation"; without it, inferred from the targets (see
            `goodfit.data.task.encode_targets`).
        cache: a folder that keeps decoded files for later runs. Data that does not fit into memory is always kept in
            files; without `cache`, in the user's cache folder (see `goodfit.data.storage`).

    Raises:
        InputError: nothing can be learned from the data; the message is one line with the remedy.
        MissingExtra: the library for these files (pyarrow, pillow, soundfile, av) is not installed.

    >>> load("iris")
    Dataset(iris: 150 × 4, target 'target', 3 classes)
    >>> load(([[0.0], [1.0], [2.0], [3.0]], [0.5, 1.5, 2.5, 3.5])).task
    'regression'
    """
    chosen, folder = DecodeOptions.of(options), cache_folder(cache)
    raw = read(source, target, chosen, folder)
    for role, values in (("groups", groups), ("time", time)):
        check_order(raw.x, values, role)
    x, column, name = _features_and_target(raw)
    x, group_values = _take_out(x, raw.column(groups), "groups")
    x, times = _take_out(x, raw.column(time), "time")
    kind = chosen.kind or raw.kind or _infer_kind(x, column)
    record = chosen.record(kind)
    if not raw.decoded:
        check_for_arrays(kind, record)
    x = kind.take_columns(x, record) if isinstance(x, pd.DataFrame) else kind.arrange(x)
    targets = _encode(x, column, name, task, kind)
    test = None if raw.test is None else _test(raw.test, x, kind, name, targets)
    how = _input_options(kind, record, raw.rate)
    return Dataset(raw.name, x, targets.y, targets.task, name, targets.classes, group_values, times, test, how, folder)


def _infer_kind(x: Features, y: pd.Series[Any] | Array) -> DataKind:
    if isinstance(y, np.ndarray):
        return mask_kind()
    return kind_of_table(x) if isinstance(x, pd.DataFrame) else kind_of_array(x)


def _input_options(kind: DataKind, options: Options, rate: float) -> InputOptions:
    """How rows become inputs: with the rate of the files, or that of the options."""
    own = options.rate if isinstance(options, TimedOptions) else None
    whiten = options.whiten if isinstance(options, ArrayOptions) else None
    return InputOptions(kind.name, rate or own or 0, whiten)


def _encode(x: Features, y: pd.Series[Any] | Array, name: str, task: Task | None, kind: DataKind) -> Targets:
    """The encoded targets: a column, or masks."""
    if isinstance(y, pd.Series):
        return encode_targets(y, name, task)
    if task not in (None, "segmentation"):
        raise InputError(
            f"load: task={task!r} needs one target for each row, but target '{name}' has masks of shape {y.shape}; "
            "leave task out."
        )
    check_masks(np.asarray(x), y, kind.name)
    return encode_masks(y, name)


def _features_and_target(raw: Raw) -> tuple[Any, pd.Series[Any] | Array, str]:
    """Features, targets (a column, or masks (rows, height, width)), and the targets' name."""
    if raw.y is None:
        frame = _clean(raw.x)
        name = raw.target or usual_target([str(c) for c in frame.columns])
        if name is None:
            raise InputError(f"load: name the target column: target=….{near('', frame.columns)}")
        if name not in frame.columns:
            raise InputError(f"load: there is no target column '{name}'.{near(name, frame.columns)}")
        return frame.drop(columns=name), frame[name], name
    name = raw.target or str(getattr(raw.y, "name", None) or "y")
    masks = as_masks(raw.y)
    column = target_series(raw.y, name) if masks is None else masks
    x = raw.x if isinstance(raw.x, pd.DataFrame) else as_array(raw.x, "load: x")
    if getattr(x, "ndim", 1) > 0:
        check_length(x, column)
    column = column.reset_index(drop=True) if isinstance(column, pd.Series) else column
    return (_clean(x) if isinstance(x, pd.DataFrame) else as_features(x)), column, name


def _clean(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with column names as text and rows counted from 0."""
    named = frame.set_axis([str(c) for c in frame.columns], axis=1).reset_index(drop=True)
    check_names(named)
    return named


def _take_out(x: Any, values: object, role: str) -> tuple[Features, Array | None]:
    """The features without the column that holds groups or times, and the values of that column."""
    if values is None:
        return x, None
    if isinstance(values, str):
        if not isinstance(x, pd.DataFrame):
            raise InputError(f"load: {role}='{values}' names a column, but x is an array; give one value for each row.")
        if values not in x.columns:
            raise InputError(f"load: there is no column '{values}' for {role}.{near(values, x.columns)}")
        column, x = x[values], x.drop(columns=values)
    else:
        column = pd.Series(as_array(values, f"load: {role}").reshape(-1))
    if len(column) != len(x):
        raise InputError(f"load: {role} has {len(column)} values but x has {len(x)} rows; give one for each row.")
    missing = column.isna().to_numpy()
    if missing.any():
        raise InputError(
            f"load: {role} is missing in {int(missing.sum())} rows (first: row {int(missing.argmax())}); "
            "fill or drop them."
        )
    return x, np.asarray(column)


def _test(part: tuple[Any, Any], x: Features, kind: DataKind, name: str, targets: Targets) -> tuple[Features, Array]:
    """The features and the encoded targets of an official test part."""
    features, masks = _test_features(part[0], x, kind), as_masks(part[1])
    if masks is not None:
        check_length(features, masks)
        check_masks(np.asarray(features), masks, kind.name)
        return features, encode_test_masks(masks, name, targets)
    y = target_series(part[1], name)
    check_length(features, y)
    return features, encode_test_targets(y, name, targets)


def _test_features(x_test: Any, x: Features, kind: DataKind) -> Features:
    """The features of the official test part, in the shape of the others.

    Raises:
        InputError: rows have another shape.
    """
    if isinstance(x_test, pd.DataFrame):
        return x_test
    features = kind.arrange(as_features(x_test, "load: x_test"))
    if features.shape[1:] != x.shape[1:]:
        raise InputError(
            f"load: rows of x_test must have the shape of those of x, {x.shape[1:]}, got {features.shape[1:]}."
        )
    return features
