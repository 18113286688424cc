"""load: one function for every kind of data, and one line of error for whatever does not fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from goodfit.data.arrays import Features, as_array, as_features
from goodfit.data.checks import check_columns, check_length, check_names
from goodfit.data.columns import convert_texts
from goodfit.data.dataset import Dataset
from goodfit.data.inputs import InputOptions, Kind
from goodfit.data.layout import arrange
from goodfit.data.masks import as_masks, check_masks, encode_masks, encode_test_masks
from goodfit.data.reading.asked import Asked, check_asked
from goodfit.data.reading.bundled import BUNDLED, OPENML, is_bundled, read_bundled, read_openml
from goodfit.data.reading.files import TEXT_TABLES, find, header, read_npz, read_table, stem, suffix
from goodfit.data.reading.folders import read_folder
from goodfit.data.reading.images import Size
from goodfit.data.reading.listing import Damaged
from goodfit.data.reading.masks import holds_masks
from goodfit.data.reading.masks import read_folder as read_masks
from goodfit.data.reading.sounds import is_archive, read_archive
from goodfit.data.reading.text_files import holds_texts
from goodfit.data.reading.text_files import read_folder as read_texts
from goodfit.data.storage import cache_folder
from goodfit.data.task import Targets, Task, encode_targets, encode_test_targets, target_series
from goodfit.data.text.columns import only_text, text_column
from goodfit.data.text.texts import as_texts
from goodfit.errors import InputError, near
from goodfit.types import Array

USUAL_TARGETS = ("target", "class", "label", "y")


@dataclass(frozen=True, eq=False)
class Raw:
    """What was read, before any check: features, targets if they are apart, and an official test part."""

    name: str
    x: Any
    y: Any = None
    target: str | None = None
    test: tuple[Any, Any] | None = None
    kind: Kind | None = None  # where it is known
    rate: float = 0  # of sounds and clips
    columns: Mapping[str, Array] = field(default_factory=dict)  # beside features and targets, a value for each row

    def named(self, given: object) -> object:
        """A column's values, where `given` names one of those beside features and targets; else what was given."""
        return self.columns.get(given, given) if isinstance(given, str) else given


@dataclass(frozen=True)
class Reading:
    """How files are read."""

    size: Size
    damaged: Damaged
    asked: Asked
    kind: Kind | None
    cache: Path | None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.damaged not in ("refuse", "skip"):
            raise InputError(f"load: damaged must be 'refuse' or 'skip', got {self.damaged!r}.")


def load(
    source: object,
    target: str | None = None,
    *,
    groups: object = None,
    time: object = None,
    task: Task | None = None,
    kind: Kind | None = None,
    size: Size = None,
    damaged: Damaged = "refuse",
    text: str | None = None,
    rate: int | None = None,
    length: float | None = None,
    frames: int | None = None,
    mono: bool = True,
    whiten: float | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Data from a file, a table, arrays or a known name, checked and with encoded targets.

    `source` is a path (csv, tsv, jsonl, also packed with gz, bz2, xz; parquet; npz; a folder with a folder of files for
    each class), a pandas DataFrame, a pair (X, y) of arrays, tensors, lists or pandas objects, a set that scikit-learn
    carries ("digits", "breast-cancer", "wine", "iris", "diabetes"), or "openml:NAME" / "openml:ID". `target` names the
    target column; without it a single column called target, class, label or y is taken. `groups` and `time` name
    columns, which then are no features, or give a value for each row. `task` overrides the decision made from the
    targets' values (see `goodfit.data.task.encode`). `kind` says what an array's rows are where shape and dtype do not
    (see `goodfit.data.layout.arrange`); images and sound come out with their channels in front. `size` and `damaged`
    are for folders (see `goodfit.data.reading.folders`). Masks, a class for each pixel of images, are arrays y (rows,
    height, width), or a folder with a folder `images` and a folder `masks` of files of the same names. Texts are a list
    of them, the only column beside the target, or the one that `text` names; or a folder with a folder of .txt files
    for each class. Sounds are a folder with a folder of wav, flac, ogg or mp3 files for each class, or an npz archive
    with `samples` and `lengths`; they are brought to `rate` samples per second and `length` seconds (see
    `goodfit.data.reading.sounds`), and to one channel unless `mono=False`. Clips are a folder with a folder of mp4,
    mkv, avi, mov or webm files for each class (of gif files, too, where kind="video"); they get 16 frames, evenly
    spread over each clip, or `frames` of them, or `rate` frames per second for `length` seconds (see
    `goodfit.data.reading.videos`). `whiten`: images, clips, sounds and series are whitened with this ε, learned on
    training rows (see `goodfit.data.whitening`). `cache`: a folder in which decoded files are kept for the next time;
    what does not fit into memory lies in files in any case, in the user's cache folder where none is named (see
    `goodfit.data.storage`).

    Raises:
        InputError: anything that cannot be learned from, in one line with the remedy.
        MissingExtra: a parquet file without pyarrow.

    >>> load("iris")
    Dataset(iris: 150 × 4, target 'target', 3 classes)
    >>> load(([[0.0], [1.0], [2.0], [3.0]], [0.5, 1.5, 2.5, 3.5])).task
    'regression'
    """
    asked = Asked(rate, length, frames, mono)
    reading = Reading(size, damaged, asked, kind, cache_folder(cache))
    raw = _read(source, target, reading)
    x, column, name = _features_and_target(raw)
    x, group_values = _take_out(x, raw.named(groups), "groups")
    x, times = _take_out(x, raw.named(time), "time")
    masked = isinstance(column, np.ndarray)
    kind = kind or raw.kind or ("image" if masked else None)
    x, what = _table(x, kind, text) if isinstance(x, pd.DataFrame) else arrange(x, kind)
    check_asked(asked, what, raw.kind in ("sound", "video"))
    learned = _encode(x, column, name, task, what)
    test = None
    if raw.test is not None:
        test = _test(raw.test, x, what, name, learned)
    if whiten is not None and what in ("table", "text"):
        raise InputError(f"load: whiten is for images, clips, sounds and series; this is {what} data: leave it out.")
    told = group_values, times, test, InputOptions(what, raw.rate or rate or 0, whiten), reading.cache
    return Dataset(raw.name, x, learned.y, learned.task, name, learned.classes, *told)


def _encode(x: Features, y: pd.Series[Any] | Array, name: str, task: Task | None, kind: Kind) -> Targets:
    """The targets: a column, or masks."""
    if isinstance(y, pd.Series):
        return encode_targets(y, name, task)
    if task not in (None, "segmentation"):
        raise InputError(f"load: task={task!r} needs one target for each row, target '{name}' has masks {y.shape}.")
    check_masks(np.asarray(x), y, kind)
    return encode_masks(y, name)


def _table(x: pd.DataFrame, kind: Kind | None, text: str | None) -> tuple[pd.DataFrame, Kind]:
    """The checked columns, and what they are: a table, or one column of texts."""
    named = text_column(x, text, kind)
    if named is not None:
        return only_text(x, named), "text"
    check_columns(x)
    if kind not in (None, "table"):
        raise InputError(f"load: kind={kind!r} cannot be a table of columns; give arrays.")
    return convert_texts(x), "table"


def _read(source: object, target: object, reading: Reading) -> Raw:
    if target is not None and not isinstance(target, str):
        raise InputError(
            f"load: target must be a column's name, got {type(target).__name__}; for separate arrays give load((X, y))."
        )
    if isinstance(source, pd.DataFrame):
        return Raw("table", source, target=target)
    if isinstance(source, tuple) and len(source) == 2:
        return Raw("arrays", as_texts(source[0]), source[1], target)
    if isinstance(source, str | os.PathLike):
        return _read_name(os.fspath(source), target, reading)
    raise InputError(
        f"load: a {type(source).__name__} is no source; give a path, a DataFrame, a pair (X, y) or a known name."
    )


def _read_name(source: str | bytes, target: str | None, reading: Reading) -> Raw:
    text, size, damaged, asked, kind = os.fsdecode(source), reading.size, reading.damaged, reading.asked, reading.kind
    if text.startswith(OPENML):
        frame, own, name = read_openml(text)
        return Raw(name, frame, target=target or own)
    path = Path(text).expanduser()
    if is_bundled(text) and not path.is_file():
        frame, own, name = read_bundled(text)
        return Raw(name, frame, target=target or own)
    if not path.exists() and path.suffix == "" and len(path.parts) == 1:
        raise InputError(f"load: there is no file and no known set '{text}'.{near(text, BUNDLED)}")
    if path.is_dir() and kind in (None, "text") and holds_texts(path):
        (texts, labels), test = read_texts(path, damaged)
        return Raw(path.resolve().name, texts, labels, target or "class", test, "text")
    if path.is_dir() and holds_masks(path):
        (pictures, masks), others = read_masks(path.resolve(), size, damaged, reading.cache)
        return Raw(path.resolve().name, pictures, masks, target or "mask", others, "image")
    if path.is_dir():
        folder = read_folder(path.resolve(), size, damaged, asked, kind, reading.cache)
        return Raw(path.resolve().name, folder.x, folder.y, target or "class", folder.test, folder.kind, folder.rate)
    path = find(path)
    if suffix(path) == ".npz" and is_archive(path):
        clips = read_archive(path, asked)
        own = target or _usual(list(clips.others)) or ""
        if own not in clips.others:
            raise InputError(f"load: name the array of targets: target=….{near(own, clips.others)}")
        return Raw(stem(path), clips.x, clips.others[own], own, None, "sound", clips.rate, clips.others)
    if suffix(path) == ".npz":
        archive = read_npz(path, target, reading.cache)
        return Raw(stem(path), archive.x, archive.y, archive.target, archive.test)
    usual = target or (_usual(header(path)) if suffix(path) in TEXT_TABLES else None)
    return Raw(stem(path), read_table(path, usual, damaged), target=usual)


def _features_and_target(raw: Raw) -> tuple[Any, pd.Series[Any] | Array, str]:
    """Features, the column of targets or their masks (rows, height, width), and the targets' name."""
    if raw.y is None:
        frame = _clean(raw.x)
        name = raw.target or _usual([str(c) for c in frame.columns])
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
    """The table with texts as names and rows counted from 0."""
    named = frame.set_axis([str(c) for c in frame.columns], axis=1).reset_index(drop=True)
    check_names(named)
    return named


def _usual(names: list[str]) -> str | None:
    found = [name for name in names if name.strip().lower() in USUAL_TARGETS]
    return found[0] if len(found) == 1 else None


def _take_out(x: Any, given: object, role: str) -> tuple[Features, Array | None]:
    """Groups or times as values, and the features without their column."""
    if given is None:
        return x, None
    if isinstance(given, str):
        if not isinstance(x, pd.DataFrame):
            raise InputError(f"load: {role}='{given}' names a column, but x is an array; give one value for each row.")
        if given not in x.columns:
            raise InputError(f"load: there is no column '{given}' for {role}.{near(given, x.columns)}")
        column, x = x[given], x.drop(columns=given)
    else:
        column = pd.Series(as_array(given, f"load: {role}").reshape(-1))
    if len(column) != len(x):
        raise InputError(f"load: {role} has {len(column)} values but x has {len(x)} rows; give one for each row.")
    missing = column.isna().to_numpy()
    if missing.any():
        raise InputError(
            f"load: {role} is missing in {int(missing.sum())} rows (first: row {int(missing.argmax())}); "
            "fill or drop them."
        )
    return x, np.asarray(column)


def _test(given: tuple[Any, Any], x: Features, kind: Kind, name: str, learned: Targets) -> tuple[Features, Array]:
    """The official test part's features and encoded targets."""
    features, masks = _test_features(given[0], x, kind), as_masks(given[1])
    if masks is not None:
        check_length(features, masks)
        check_masks(np.asarray(features), masks, kind)
        return features, encode_test_masks(masks, name, learned)
    y = target_series(given[1], name)
    check_length(features, y)
    return features, encode_test_targets(y, name, learned)


def _test_features(x_test: Any, x: Features, kind: str) -> Features:
    """The official test part's features, in the shape of the others.

    Raises:
        InputError: another shape.
    """
    if kind == "text" and isinstance(x_test, pd.DataFrame):
        return x_test
    features, _ = arrange(as_features(x_test, "load: x_test"), kind)
    if features.shape[1:] != x.shape[1:]:
        raise InputError(f"load: rows of x_test have shape {features.shape[1:]}, those of x {x.shape[1:]}.")
    return features
