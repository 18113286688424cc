"""Texts from files: JSON lines, and folders with a folder of .txt files for each class."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from goodfit.data.checks import quoted
from goodfit.data.reading.listing import HIDDEN, LOG, Damaged, Listing, listing, over, parted, roots
from goodfit.data.text.texts import DEFAULT_COLUMN
from goodfit.errors import InputError

LINES, TXT = (".jsonl", ".ndjson"), ".txt"
Texts: TypeAlias = tuple[pd.DataFrame, "pd.Series[Any]"]
"""Texts and the names of their classes."""


def read_lines(path: Path, opener: Callable[..., Any] = Path.open, damaged: Damaged = "refuse") -> pd.DataFrame:
    """A table from a file with a JSON object on each line; keys are columns.

    `damaged="skip"` leaves lines out that cannot be read, and says which.

    Raises:
        InputError: the file cannot be read, a line is no object, or there is none.
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
        raise InputError(f"load: '{path.name}' cannot be read as JSON lines ({error}); mend it.") from error
    _tell(path, "lines", [str(number) for number in wrong], len(rows), damaged)
    if not rows:
        raise InputError(f"load: '{path.name}' is empty; a JSON object on each line is needed.")
    return pd.DataFrame(rows)


def holds_texts(path: Path) -> bool:
    """Whether the files in a folder's folders are .txt files, most of them."""
    inner = (name for top, _, names in os.walk(path) for name in names if Path(top) != path)
    found = [Path(name).suffix.lower() == TXT for name in inner if not name.startswith(HIDDEN)]
    return 2 * sum(found) > len(found)


def read_folder(path: Path, damaged: Damaged = "refuse") -> tuple[Texts, Texts | None]:
    """The texts of a folder with a folder of .txt files (UTF-8) for each class, and an official test part.

    Raises:
        InputError: files that are not UTF-8, unless damaged="skip".
    """
    made = []
    for root in roots(path):
        each = listing(root, "texts", {TXT})
        texts, rows = decoded(each, damaged)
        frame = pd.DataFrame({DEFAULT_COLUMN: pd.Series(texts, dtype=object)})
        made.append((frame, pd.Series([each.labels[at] for at in rows], name="class", dtype=object)))
    return made[0], made[1] if len(made) > 1 else None


def decoded(each: Listing, damaged: Damaged) -> tuple[list[str], list[int]]:
    """The texts of files, and the numbers of those that could be read.

    Raises:
        InputError: files that are not UTF-8, unless damaged="skip".
    """
    found, unreadable = parted(over(each.files, lambda file: file.read_text(encoding="utf-8-sig"), "reading texts"))
    each.tell(unreadable, damaged)
    rows = [at for at in range(len(found)) if at not in unreadable]
    return [found[at] for at in rows], rows


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _tell(path: Path, what: str, wrong: Sequence[str], good: int, damaged: str) -> None:
    """Refuse what is damaged, or say that it is left out."""
    if not wrong:
        return
    said = f"{len(wrong)} of {len(wrong) + good} {what} of '{path.name}' cannot be read ({quoted(wrong)})"
    if damaged != "skip" or not good:
        raise InputError(f"load: {said}; mend or remove them, or leave them out with damaged='skip'.")
    LOG.warning("load: %s; left out", said)
