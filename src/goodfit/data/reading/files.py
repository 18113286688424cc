"""Tables of text (csv, tsv), JSON lines, parquet and npz files."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from goodfit.data.checks import quoted
from goodfit.data.columns import parse_number
from goodfit.data.reading.npz import read_array
from goodfit.data.reading.text_files import LINES, read_lines
from goodfit.errors import InputError, MissingExtra, first_line, near
from goodfit.types import Array

TEXT_TABLES = (".csv", ".tsv", ".txt")
PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
FORMATS = (*TEXT_TABLES, ".csv.gz", ".jsonl", ".parquet", ".npz")
SEPARATORS = ",;\t|"
SNIFFED = 1 << 16  # bytes from which the separator is inferred
PAIRS = (("x", "y"), ("X", "y"), ("data", "target"), ("x_train", "y_train"))
BROKEN = (OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class Archive:
    """The content of an npz file: features, targets, and an official test part if it has one."""

    x: Array
    y: Array
    target: str
    test: tuple[Array, Array] | None


def suffix(path: Path) -> str:
    """A file's suffix without its compression: `.csv` for `a.csv.gz`.

    >>> suffix(Path("a.csv.gz")), suffix(Path("b.npz"))
    ('.csv', '.npz')
    """
    inner = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return inner.suffix.lower()


def stem(path: Path) -> str:
    """A file's name without its suffix and compression."""
    inner = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return inner.stem


def find(path: Path, who: str = "load") -> Path:
    """The path, if there is a file of a format that can be read; messages begin with `who`.

    Raises:
        InputError: there is no such file (with similar names in its folder), it is a folder, or its format is unknown.
    """
    if path.is_dir():
        raise InputError(f"{who}: '{path}' is a folder; give a file ({', '.join(FORMATS)}).")
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        hint = near(path.name, siblings)
        raise InputError(f"{who}: there is no file '{path}'.{hint if 'Did you mean' in hint else ''}")
    if suffix(path) not in (*TEXT_TABLES, *LINES, ".parquet", ".npz"):
        raise InputError(f"{who}: '{path.name}' has no known format; give one of {', '.join(FORMATS)}.")
    return path


def read_table(path: Path, target: str | None, damaged: str = "refuse", who: str = "load") -> pd.DataFrame:
    """A table from a csv, tsv, parquet or JSON lines file; empty cells are missing values.

    The separator is inferred from the first lines, in tables separated by semicolons also the decimal comma. A first
    column without a name that only counts the rows is left out. The target column is read as text, so that its values
    keep their spelling (`true`).

    Raises:
        InputError: the file cannot be read, or its first line does not hold column names.
        MissingExtra: the file is parquet and pyarrow is not installed.
    """
    if suffix(path) == ".parquet":
        return _read_parquet(path, who)
    if suffix(path) in LINES:
        return read_lines(path, PACKED.get(path.suffix.lower(), Path.open), damaged, who)
    try:
        separator, decimal, names = _format(path, who)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, sep=separator, decimal=decimal, na_values=[""], keep_default_na=False, index_col=False,
                skipinitialspace=True, low_memory=False, dtype={target: "str"} if target in names else None,
            )  # fmt: skip
    except (
        *BROKEN,
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        ValueError,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{who}: '{path.name}' cannot be read as a table ({first_line(error)}); repair it.") from error
    return _without_counter(frame)


def header(path: Path) -> list[str]:
    """The column names of a table of text.

    Raises:
        InputError: the file cannot be read or holds no names.
    """
    try:
        return _format(path)[2]
    except BROKEN as error:
        raise InputError(f"load: '{path.name}' cannot be read as a table ({first_line(error)}); repair it.") from error


def sniff(sample: str, path: Path) -> tuple[str, str]:
    """The separator and the decimal sign of a table, inferred from its first lines.

    >>> sniff("a;b\\n1,5;2\\n", Path("t.csv")), sniff("a,b\\n1.5,2\\n", Path("t.csv"))
    ((';', ','), (',', '.'))
    """
    lines = [line for line in re.sub(r'"[^"]*"', "", sample).splitlines()[:50] if line.strip()]
    if suffix(path) == ".tsv":
        separator = "\t"
    else:
        # The sign that occurs equally often in most lines; of several the most frequent one.
        head = {sign: lines[0].count(sign) for sign in SEPARATORS} if lines else {}
        steady = {s: sum(line.count(s) == n for line in lines) * n for s, n in head.items() if n}
        separator = max(steady, key=lambda s: steady[s]) if steady else ","
    cells = [cell.strip() for line in lines[1:] for cell in line.split(separator)] if separator == ";" else []
    comma = any(re.fullmatch(r"-?\d+,\d+", cell) for cell in cells)
    dot = any(re.fullmatch(r"-?\d+\.\d+", cell) for cell in cells)
    return separator, "," if comma and not dot else "."


def check_header(sample: str, separator: str, path: Path, who: str = "load") -> list[str]:
    """The column names of a table of text.

    Raises:
        InputError: an empty file, two columns of one name, or a first line of numbers only.
    """
    names = [name.strip() for name in next(csv.reader(io.StringIO(sample), delimiter=separator), [])]
    if not any(names):
        raise InputError(f"{who}: '{path.name}' is empty; its first line must hold the column names.")
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if doubled:
        raise InputError(f"{who}: {quoted(doubled)} names more than one column; rename or drop the others.")
    if all(name and parse_number(name) is not None for name in names):
        raise InputError(
            f"{who}: the first line of '{path.name}' holds numbers, not column names; add a line of names."
        )
    return names


def read_npz(path: Path, target: str | None, cache: Path | None = None) -> Archive:
    """Features and targets from an npz archive.

    Known keys: x_train, y_train with x_test, y_test; x, y; X, y; data, target. `target` names another key for y. Arrays
    that do not fit into memory are unpacked into files in `cache`.

    Raises:
        InputError: the file cannot be read, holds objects, or has none of these keys.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            keys = list(archive.files)
            x_key, y_key = _pair(keys, target, path)
            x, y = read_array(archive, x_key, cache), read_array(archive, y_key, cache)
            official = ("x_test", y_key.replace("train", "test"))
            test = None
            if x_key == "x_train" and "train" in y_key and all(key in keys for key in official):
                test = (read_array(archive, official[0], cache), read_array(archive, official[1], cache))
    except (*BROKEN, ValueError, KeyError, AttributeError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"load: '{path.name}' cannot be read as npz ({first_line(error)}); save plain arrays with np.savez."
        ) from error
    return Archive(x, y, target or "y", test)


def _pair(keys: list[str], target: str | None, path: Path) -> tuple[str, str]:
    if target is not None and target not in keys and target != "y":
        raise InputError(f"load: '{path.name}' has no array '{target}'.{near(target, keys)}")
    for x_key, y_key in PAIRS:
        chosen = target if target in keys and target is not None else y_key
        if x_key in keys and chosen in keys and chosen != x_key:
            return x_key, chosen
    raise InputError(
        f"load: '{path.name}' holds {quoted(keys)}; name its arrays x and y (or x_train, y_train, x_test, y_test)."
    )


def _read_parquet(path: Path, who: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except ImportError as error:
        raise MissingExtra(
            f"{who}: parquet files need pyarrow ({first_line(error)}); pip install goodfit[parquet]."
        ) from error
    except (*BROKEN, ValueError) as error:  # pyarrow's errors are ValueErrors and OSErrors
        raise InputError(f"{who}: '{path.name}' cannot be read as parquet ({first_line(error)}); repair it.") from error
    # An index with a name was a column before the file was saved.
    return frame.reset_index() if frame.index.names != [None] else frame


def _format(path: Path, who: str = "load") -> tuple[str, str, list[str]]:
    """Separator, decimal sign and column names."""
    sample = _sample(path)
    separator, decimal = sniff(sample, path)
    return separator, decimal, check_header(sample, separator, path, who)


def _sample(path: Path) -> str:
    opener: Callable[..., Any] = PACKED.get(path.suffix.lower(), Path.open)
    with opener(path, "rb") as file:
        raw: bytes = file.read(SNIFFED)
    whole_lines = raw[: raw.rfind(b"\n") + 1] if len(raw) == SNIFFED and b"\n" in raw else raw
    return whole_lines.decode("utf-8-sig")


def _without_counter(frame: pd.DataFrame) -> pd.DataFrame:
    first = frame.columns[0] if len(frame.columns) > 1 else ""
    if not str(first).startswith("Unnamed: 0") or not pd.api.types.is_integer_dtype(frame[first]):
        return frame
    counts = frame[first].to_numpy()
    return frame.drop(columns=first) if np.array_equal(counts, counts[:1] + np.arange(len(counts))) else frame


def features(source: str) -> Any:
    """The raw rows of a file or a bundled data set, for prediction: no target is needed.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    from goodfit.data.reading.bundled import is_bundled, read_bundled

    if is_bundled(source):
        return read_bundled(source)[0]
    path = find(Path(source), "predict")
    if suffix(path) != ".npz":
        return read_table(path, None, who="predict")
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in ("x", "X", "x_test", "data", "x_train"):
                if key in archive:
                    return archive[key]
    except (*BROKEN, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"predict: '{path.name}' cannot be read as npz ({first_line(error)}); repair it.") from error
    raise InputError(f"predict: '{path.name}' has no array x, X, x_test, data or x_train; name the array of rows x.")
