"""Folders with a folder of files for each class, decoded once and in parallel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

from goodfit.data.options import Options
from goodfit.data.reading.cache import Allocate, Source, decode_cached
from goodfit.data.reading.listing import Listing, list_classes, roots
from goodfit.types import Array

NOT_DECODING = ("damaged", "whiten")
"""Options on which the decoded arrays do not depend."""


@dataclass(frozen=True, eq=False)
class Folder:
    """The content of a folder: samples, targets, and an official test part where there is one."""

    x: Any
    y: Any
    test: tuple[Any, Any] | None = None
    rate: float = 0
    target: str = "class"


class Decoder(Protocol):
    """What reading a folder requires of a data kind that has files; see `goodfit.data.kinds.base.FileKind`."""

    name: ClassVar[str]
    samples: ClassVar[str]
    form: ClassVar[type[Any]]

    def decode(self, listing: Listing, options: Any, form: Any, allocate: Allocate = ...) -> tuple[Array, Array, Any]:
        """Samples, classes and the form that they have."""

    def rate_of(self, form: Any) -> float:
        """Samples or frames per second, 0 where there is none."""


def read_folder(
    kind: Decoder, path: Path, suffixes: frozenset[str], options: Options, cache: Path | None = None
) -> Folder:
    """Decode a folder with a folder of files for each class, or one with two such folders `train` and `test`.

    Args:
        kind: decodes the files.
        path: the folder.
        suffixes: suffixes of the files that are read.
        options: the kind's options.
        cache: where decoded files are kept for the next load; without it only what does not fit into memory is kept, in
            the default cache folder (see `goodfit.data.reading.cache`).

    Raises:
        InputError: there are no classes or no files, sizes differ and none is given, or files are damaged.
        MissingExtra: the library for these files is not installed.
    """
    form: Any = None
    read = []
    settings = tuple((name, value) for name, value in options.values().items() if name not in NOT_DECODING)
    for listing in [list_classes(root, kind.samples, suffixes) for root in roots(path)]:
        source = Source(listing.root, listing.files, (kind.name, settings, form), len(listing.files))
        decode = partial(_decode, kind.decode, listing, options, form)
        (x, y), form = decode_cached(source, cache, options.damaged, kind.form, decode)
        read.append((x, y))
    return Folder(*read[0], read[1] if len(read) > 1 else None, kind.rate_of(form))


def _decode(
    decode: Callable[..., tuple[Array, Array, Any]], listing: Listing, options: Options, form: Any, allocate: Allocate
) -> tuple[list[Array], Any]:
    x, y, form = decode(listing, options, form, allocate)
    return [x, y], form
