"""The files of a folder with a folder for each class; worked on in parallel, with what cannot be read named."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from goodfit.data.checks import quoted
from goodfit.errors import InputError, MissingExtra
from goodfit.progress import is_shown, track

LOG = logging.getLogger("goodfit")
Damaged: TypeAlias = Literal["refuse", "skip"]
Names: TypeAlias = Callable[[Sequence[int]], str]
"""Some files' names, by number."""
PARTS = ("train", "test")
"""The folders of data that is divided already."""
HIDDEN = (".", "_")
"""How the names of files and folders begin that are nobody's data (.DS_Store, __MACOSX)."""
MANY = 500
"""Files from which on a progress bar is shown."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, sorted, each with the name of its class."""

    root: Path
    files: tuple[Path, ...]
    labels: tuple[str, ...]

    def names(self, files: Iterable[Path]) -> str:
        """Files as their errors name them, a few of them."""
        return quoted([str(file.relative_to(self.root)) for file in files])

    def tell(self, unreadable: dict[int, str], damaged: Damaged) -> None:
        """Refuse damaged files, or say which are left out.

        Raises:
            InputError: there are some and they are not to be skipped, or there are no others.
        """
        if not unreadable:
            return
        files = [self.files[i] for i in sorted(unreadable)]
        why = Counter(unreadable.values()).most_common(1)[0][0]
        said = f"{len(files)} of {len(self.files)} files cannot be read: {self.names(files)} ({why})"
        if damaged == "refuse" or len(files) == len(self.files):
            raise InputError(f"load: {said}; mend or remove them, or leave them out with damaged='skip'.")
        LOG.warning("load: %s; left out", said)


def listing(root: Path, what: str, suffixes: Collection[str]) -> Listing:
    """The files of a folder of classes that have certain endings; what they are, for the errors: images.

    Raises:
        InputError: no folder of a class, or no such file in them.
    """
    found = [(file, child.name) for child in folders(root) for file in files(child) if ending(file) in suffixes]
    if not found:
        loose = [file for file in root.iterdir() if file.is_file() and ending(file) in suffixes]
        if loose:
            raise InputError(
                f"load: '{root.name}' holds {len(loose)} {what} outside of folders; put those of each class into a "
                "folder with the name of the class."
            )
        raise InputError(
            f"load: '{root.name}' holds no {what} ({', '.join(sorted(suffixes))}); a folder with a folder of {what} "
            "for each class is needed."
        )
    empty = [child.name for child in folders(root) if child.name not in {label for _, label in found}]
    if empty:
        LOG.warning("load: no %s in %s of '%s'; left out", what, quoted(empty), root.name)
    chosen, labels = zip(*found, strict=True)
    return Listing(root, chosen, labels)


def unsorted(path: Path, what: str, suffixes: Collection[str]) -> Listing:
    """A file, or all files below a folder that have certain endings; their names stand for their classes.

    Raises:
        InputError: no such file.
    """
    root = path.parent if path.is_file() else path
    found = [path] if path.is_file() else [file for file in files(root) if ending(file) in suffixes]
    if not found or not {ending(file) for file in found} <= set(suffixes):
        raise InputError(
            f"predict: the network has learned from {what}, '{path.name}' holds none ({', '.join(sorted(suffixes))})."
        )
    others = 0 if path.is_file() else len(files(root)) - len(found)
    if others:
        LOG.warning("predict: %d other files of '%s' are left out", others, root.name)
    return Listing(root, tuple(found), tuple(str(file.relative_to(root)) for file in found))


def tell_sizes(sizes: Sequence[tuple[int, int]], size: tuple[int, int], names: Names, what: str) -> None:
    """Say which images or clips are brought to a (height, width) that was not asked for."""
    others = [at for at, own in enumerate(sizes) if own != size]
    if others:
        said = f"{len(others)} of {len(sizes)} {what} are brought to {size[0]} × {size[1]} (height × width)"
        LOG.warning("load: %s: %s", said, names(others))


def endings(root: Path) -> Counter[str]:
    """The endings of all files below a folder, and how many have each."""
    return Counter(ending(file) for file in files(root))


def folders(root: Path) -> list[Path]:
    """The folders in a folder, sorted."""
    return sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith(HIDDEN))


def roots(path: Path) -> list[Path]:
    """The folders `train` and `test` of a folder that holds these and nothing else; else the folder itself."""
    inner = {child.name.lower(): child for child in folders(path)}
    return [inner[name] for name in PARTS] if set(inner) == set(PARTS) else [path]


def files(folder: Path) -> list[Path]:
    """All files below a folder, sorted; hidden ones are nobody's data."""
    found = (Path(top) / name for top, _, names in os.walk(folder) for name in names if not name.startswith(HIDDEN))
    return sorted(found)


def ending(file: Path) -> str:
    """The ending of a file's name, in small letters.

    >>> ending(Path("a.WAV"))
    '.wav'
    """
    return file.suffix.lower()


class Damage(Exception):  # noqa: N818
    """Why a file cannot be read."""


def parted(found: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
    """All that was made, and the reasons for what could not be, by number."""
    return list(found), {i: str(each) for i, each in enumerate(found) if isinstance(each, Damage)}


def over(items: Sequence[Any], work: Callable[[Any], Any], title: str, many: int = MANY) -> list[Any]:
    """The work's results for all items, or a `Damage` each, in threads and with a progress bar where they are many."""

    def attempt(item: Any) -> Any:
        try:
            return work(item)
        except MissingExtra:
            raise
        except Exception as error:  # noqa: BLE001  (decoders raise all kinds for damaged files)
            return Damage((str(error).strip().splitlines() or [type(error).__name__])[0].split(" '")[0])

    shown = is_shown(None) and len(items) > many
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(attempt, items), title, total=len(items), show=shown))
