"""Raw data from whatever `load` accepts: paths, names of data sets, DataFrames and pairs of arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from goodfit.data.kinds import DataKind, kind_of_file, kind_of_folder
from goodfit.data.options import Options
from goodfit.data.reading.bundled import BUNDLED, OPENML, is_bundled, read_bundled, read_openml
from goodfit.data.reading.decode_options import DecodeOptions
from goodfit.data.reading.files import TEXT_TABLES, find, header, read_npz, read_table, stem, suffix
from goodfit.data.text.texts import as_texts
from goodfit.errors import InputError, near
from goodfit.types import Array

USUAL_TARGETS = ("target", "class", "label", "y")


@dataclass(frozen=True, eq=False)
class Raw:
    """What was read, before any check.

    Args:
        name: the name of the data.
        x: features, in a DataFrame together with the targets if y is None.
        y: targets.
        target: the name of the target.
        test: an official test part (x, y).
        kind: the data kind where it is known.
        rate: samples or frames per second, 0 if unknown.
        columns: further values, one for each row, by name.
        decoded: whether samples were decoded from files, so that options on files apply.
    """

    name: str
    x: Any
    y: Any = None
    target: str | None = None
    test: tuple[Any, Any] | None = None
    kind: DataKind | None = None
    rate: float = 0
    columns: Mapping[str, Array] = field(default_factory=dict)
    decoded: bool = False

    def column(self, values: object) -> object:
        """The further values of this name, if `values` is such a name; otherwise the values themselves."""
        return self.columns.get(values, values) if isinstance(values, str) else values


def read(source: object, target: object, options: DecodeOptions, cache: Path | None) -> Raw:
    """Read a source.

    Raises:
        InputError: it is not a source, or it cannot be read.
    """
    if target is not None and not isinstance(target, str):
        remedy = "give options=…" if isinstance(target, Options) else "for separate arrays give load((X, y))"
        raise InputError(f"load: target must be a column's name, got {type(target).__name__}; {remedy}.")
    if isinstance(source, pd.DataFrame):
        return Raw("table", source, target=target)
    if isinstance(source, tuple) and len(source) == 2:
        return Raw("arrays", as_texts(source[0]), source[1], target)
    if isinstance(source, str | os.PathLike):
        return _read_name(os.fsdecode(source), target, options, cache)
    raise InputError(
        f"load: source must be a path, a DataFrame, a pair (X, y) or the name of a bundled data set, got "
        f"{type(source).__name__}."
    )


def usual_target(names: list[str]) -> str | None:
    """The only one of these names that is usual for a target; None if there are several or none."""
    usual = [name for name in names if name.strip().lower() in USUAL_TARGETS]
    return usual[0] if len(usual) == 1 else None


def _read_name(text: str, target: str | None, options: DecodeOptions, cache: Path | None) -> Raw:
    """The data of a path or of a known name."""
    if text.startswith(OPENML):
        frame, own, name = read_openml(text)
        return Raw(name, frame, target=target or own)
    path = Path(text).expanduser()
    if is_bundled(text) and not path.is_file():
        frame, own, name = read_bundled(text)
        return Raw(name, frame, target=target or own)
    if not path.exists() and path.suffix == "" and len(path.parts) == 1:
        raise InputError(f"load: there is no file and no bundled data set '{text}'.{near(text, BUNDLED)}")
    if path.is_dir():
        return _read_folder(path.resolve(), target, options, cache)
    return _read_file(find(path), target, options, cache)


def _read_folder(path: Path, target: str | None, options: DecodeOptions, cache: Path | None) -> Raw:
    kind = options.kind or kind_of_folder(path)
    folder = kind.read_folder(path, options.record(kind), cache, options.kind is not None)
    return Raw(path.name, folder.x, folder.y, target or folder.target, folder.test, kind, folder.rate, decoded=True)


def _read_file(path: Path, target: str | None, options: DecodeOptions, cache: Path | None) -> Raw:
    kind = kind_of_file(path)
    if kind is not None:
        record = options.record(kind) if options.kind in (None, kind) else kind.options()
        archive = kind.read_file(path, record)
        name = target or usual_target(list(archive.others)) or ""
        if name not in archive.others:
            raise InputError(f"load: name the array of targets: target=….{near(name, archive.others)}")
        y = archive.others[name]
        return Raw(stem(path), archive.x, y, name, None, kind, archive.rate, archive.others, decoded=True)
    if suffix(path) == ".npz":
        arrays = read_npz(path, target, cache)
        return Raw(stem(path), arrays.x, arrays.y, arrays.target, arrays.test)
    usual = target or (usual_target(header(path)) if suffix(path) in TEXT_TABLES else None)
    return Raw(stem(path), read_table(path, usual, options.damaged), target=usual)
