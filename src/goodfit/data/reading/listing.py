"""The files of a folder that has a folder for each class; they are decoded in parallel, and damaged ones are named."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from goodfit.data.checks import quoted
from goodfit.errors import InputError, MissingExtra, first_line
from goodfit.progress import is_shown, track

LOG = logging.getLogger("goodfit")
Names: TypeAlias = Callable[[Sequence[int]], str]
"""Positions of files → their names, for messages."""
PARTS = ("train", "test")
"""The folders of data that is already divided."""
PART_NAMES = frozenset({*PARTS, "val", "valid", "validation"})
"""Names of folders that are parts, not classes, where they hold only folders."""
HIDDEN = (".", "_")
"""First characters of the names of hidden files and folders, which hold no data (.DS_Store, __MACOSX)."""
MANY = 500
"""Number of files from which on a progress bar is shown."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, sorted, each with the name of its class."""

    root: Path
    files: tuple[Path, ...]
    labels: tuple[str, ...]

    def names(self, files: Iterable[Path]) -> str:
        """The names of a few of these files, as messages list them."""
        return quoted([str(file.relative_to(self.root)) for file in files])

    def report_damaged(self, reasons: dict[int, str], damaged: str) -> None:
        """Log which files are left out because they are damaged.

        Args:
            reasons: position of a damaged file → what is wrong with it.
            damaged: "refuse" or "skip".

        Raises:
            InputError: a file is damaged and damaged is "refuse", or all files are damaged.
        """
        if not reasons:
            return
        files = [self.files[i] for i in sorted(reasons)]
        why = Counter(reasons.values()).most_common(1)[0][0]
        summary = f"{len(files)} of {len(self.files)} files cannot be read: {self.names(files)} ({why})"
        if len(files) == len(self.files):
            raise InputError(f"load: {summary}; repair or replace them.")
        if damaged == "refuse":
            raise InputError(f"load: {summary}; repair or remove them, or leave them out with damaged='skip'.")
        LOG.warning("load: %s; left out", summary)


def list_classes(root: Path, samples: str, suffixes: Collection[str]) -> Listing:
    """The files with certain suffixes in a folder that has a folder for each class.

    Args:
        root: the folder.
        samples: what the files are, for messages ("images").
        suffixes: lower-case suffixes with their dot.

    Raises:
        InputError: there is no folder of a class, or no such file in any.
    """
    pairs = [(file, child.name) for child in folders(root) for file in files(child) if suffix(file) in suffixes]
    if not pairs:
        loose = [file for file in root.iterdir() if file.is_file() and suffix(file) in suffixes]
        if loose:
            raise InputError(
                f"load: '{root.name}' holds {len(loose)} {samples} outside of folders; put those of each class into a "
                "folder with the name of the class."
            )
        raise InputError(
            f"load: '{root.name}' holds no {samples} ({', '.join(sorted(suffixes))}); a folder with a folder of "
            f"{samples} for each class is needed."
        )
    empty = [child.name for child in folders(root) if child.name not in {label for _, label in pairs}]
    if empty:
        LOG.warning("load: no %s in %s of '%s'; left out", samples, quoted(empty), root.name)
    chosen, labels = zip(*pairs, strict=True)
    return Listing(root, chosen, labels)


def list_unlabelled(path: Path, samples: str, suffixes: Collection[str]) -> Listing:
    """One file, or all files below a folder that have certain suffixes; their names take the place of class names.

    Raises:
        InputError: there is no such file.
    """
    root = path.parent if path.is_file() else path
    chosen = [path] if path.is_file() else [file for file in files(root) if suffix(file) in suffixes]
    if not chosen or not {suffix(file) for file in chosen} <= set(suffixes):
        raise InputError(
            f"predict: the network was trained on {samples}, but '{path.name}' holds none "
            f"({', '.join(sorted(suffixes))})."
        )
    others = 0 if path.is_file() else len(files(root)) - len(chosen)
    if others:
        LOG.warning("predict: %d other files of '%s' are left out", others, root.name)
    return Listing(root, tuple(chosen), tuple(str(file.relative_to(root)) for file in chosen))


def warn_resized(sizes: Sequence[tuple[int, int]], size: tuple[int, int], names: Names, samples: str) -> None:
    """Log which images or clips are resized to a (height, width) that the user did not choose."""
    others = [at for at, own in enumerate(sizes) if own != size]
    if others:
        summary = f"{len(others)} of {len(sizes)} {samples} are resized to {size[0]} × {size[1]} (height × width)"
        LOG.warning("load: %s: %s", summary, names(others))


def count_suffixes(root: Path) -> Counter[str]:
    """How many files below a folder have each suffix."""
    return Counter(suffix(file) for file in files(root))


def folders(root: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones."""
    return sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith(HIDDEN))


def roots(path: Path) -> list[Path]:
    """The folders `train` and `test` if a folder holds exactly these two; otherwise the folder itself.

    Raises:
        InputError: the folder is divided into other parts, such as `train` and `val`.
    """
    inner = {child.name.lower(): child for child in folders(path)}
    if set(inner) == set(PARTS):
        return [inner[name] for name in PARTS]
    if inner and set(inner) <= PART_NAMES and all(map(_holds_only_folders, inner.values())):
        names = [child.name for child in inner.values()]
        raise InputError(
            f"load: a folder of parts must hold exactly train and test, got {quoted(names)} in '{path.name}'; move the "
            "files of the others into train, or load one of these folders."
        )
    return [path]


def _holds_only_folders(folder: Path) -> bool:
    visible = [child for child in folder.iterdir() if not child.name.startswith(HIDDEN)]
    return bool(visible) and all(child.is_dir() for child in visible)


def files(folder: Path) -> list[Path]:
    """All files below a folder, sorted, without hidden ones and those in hidden folders."""
    paths: list[Path] = []
    for top, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(HIDDEN)]  # the walk leaves the others out
        paths += [Path(top) / name for name in names if not name.startswith(HIDDEN)]
    return sorted(paths)


def suffix(file: Path) -> str:
    """A file's suffix in lower case.

    >>> suffix(Path("a.WAV"))
    '.wav'
    """
    return file.suffix.lower()


class Damage(Exception):  # noqa: N818
    """The reason why a file cannot be read."""


def split_damaged(results: list[Any]) -> tuple[list[Any], dict[int, str]]:
    """All results of `map_files`, and the reasons for the damaged ones by position."""
    return results, {i: str(each) for i, each in enumerate(results) if isinstance(each, Damage)}


def map_files(items: Sequence[Any], work: Callable[[Any], Any], title: str, many: int = MANY) -> list[Any]:
    """Call a function for each file in parallel threads; a file that raises an error gives a `Damage`.

    From `many` files on, a progress bar with the title is shown.
    """

    def attempt(item: Any) -> Any:
        try:
            return work(item)
        except MissingExtra:
            raise
        except Exception as error:  # noqa: BLE001  (decoders raise errors of any type for damaged files)
            return Damage(first_line(error).split(" '")[0])

    shown = is_shown(None) and len(items) > many
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(attempt, items), title, total=len(items), show=shown))
