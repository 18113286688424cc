"""Texts from files: JSON lines, and folders with a folder of .txt files for each class."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from goodfit.data.checks import quoted
from goodfit.data.reading.listing import (
    LOG,
    Listing,
    files,
    folders,
    list_classes,
    map_files,
    roots,
    split_damaged,
    suffix,
)
from goodfit.data.text.columns import DEFAULT_COLUMN
from goodfit.errors import InputError

LINES, TXT = (".jsonl", ".ndjson"), ".txt"
Texts: TypeAlias = tuple[pd.DataFrame, "pd.Series[Any]"]
"""Texts and the names of their classes."""


def read_lines(
    path: Path, opener: Callable[..., Any] = Path.open, damaged: str = "refuse", who: str = "load"
) -> pd.DataFrame:
    """A table from a file with a JSON object on each line; keys are columns.

    With damaged="skip", lines that cannot be read are named and left out. Messages begin with `who`.

    Raises:
        InputError: the file cannot be read, a line is not an object, or there are no lines.
    """
    rows, wrong = [], []
    try:
        with opener(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    row = _object(line)
                    wrong += [number] if row is None else []
                    rows += [] if row is None else [row]
    except (OSError, EOFError, UnicodeError) as error:
        raise InputError(f"{who}: '{path.name}' cannot be read as JSON lines ({error}); repair it.") from error
    _report_damaged(path, [str(number) for number in wrong], len(rows), damaged, who)
    if not rows:
        raise InputError(f"{who}: '{path.name}' is empty; a JSON object on each line is needed.")
    return pd.DataFrame(rows)


def holds_texts(path: Path) -> bool:
    """Whether most files in a folder's folders are .txt files."""
    texts = [suffix(file) == TXT for folder in folders(path) for file in files(folder)]
    return 2 * sum(texts) > len(texts)


def read_folder(path: Path, damaged: str = "refuse") -> tuple[Texts, Texts | None]:
    """The texts of a folder with a folder of .txt files (UTF-8) for each class, and an official test part.

    Raises:
        InputError: files are not UTF-8 and damaged is "refuse", or there are no .txt files.
    """
    read = []
    for root in roots(path):
        listing = list_classes(root, "texts", {TXT})
        texts, rows = decode(listing, damaged)
        frame = pd.DataFrame({DEFAULT_COLUMN: pd.Series(texts, dtype=object)})
        read.append((frame, pd.Series([listing.labels[at] for at in rows], name="class", dtype=object)))
    return read[0], read[1] if len(read) > 1 else None


def decode(listing: Listing, damaged: str) -> tuple[list[str], list[int]]:
    """The texts of files, and the positions of the files that could be read.

    Raises:
        InputError: files are not UTF-8 and damaged is "refuse".
    """
    results = map_files(listing.files, lambda file: file.read_text(encoding="utf-8-sig"), "reading texts")
    texts, unreadable = split_damaged(results)
    listing.report_damaged(unreadable, damaged)
    rows = [at for at in range(len(texts)) if at not in unreadable]
    return [texts[at] for at in rows], rows


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _report_damaged(path: Path, wrong: list[str], good: int, damaged: str, who: str) -> None:
    """Refuse damaged lines, or log that they are left out."""
    if not wrong:
        return
    summary = f"{len(wrong)} of {len(wrong) + good} lines of '{path.name}' cannot be read ({quoted(wrong)})"
    if not good:
        raise InputError(f"{who}: {summary}; repair them.")
    if damaged != "skip":
        raise InputError(f"{who}: {summary}; repair or remove them, or leave them out with damaged='skip'.")
    LOG.warning("%s: %s; left out", who, summary)
