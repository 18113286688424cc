"""Folders with a folder for each class, of images, sounds or clips; decoded once, in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from goodfit.data.inputs import Kind
from goodfit.data.reading import sounds, videos
from goodfit.data.reading.asked import ANY, Asked, check_asked
from goodfit.data.reading.cache import Make, Wanted, compact_rows, kept
from goodfit.data.reading.images import SUFFIXES, Form, Size, common, decode, look
from goodfit.data.reading.listing import Damaged, Listing, endings, listing, over, parted, roots, tell_sizes
from goodfit.errors import InputError
from goodfit.types import Array

ENDINGS: dict[Kind, frozenset[str]] = {"image": SUFFIXES, "sound": sounds.SUFFIXES, "video": videos.SUFFIXES}
"""Kind → how the names of its files end."""
FORMS: dict[Kind, type[Any]] = {"image": Form, "sound": sounds.Form, "video": videos.Form}
NAMES: dict[Kind, str] = {"image": "images", "sound": "sounds", "video": "clips"}


@dataclass(frozen=True, eq=False)
class Folder:
    """What a folder holds: samples, their classes, and an official test part where there is one."""

    x: Array
    y: Array
    kind: Kind
    test: tuple[Array, Array] | None = None
    rate: float = 0


def read_folder(
    path: Path,
    size: Size = None,
    damaged: Damaged = "refuse",
    asked: Asked = ANY,
    kind: str | None = None,
    cache: Path | None = None,
) -> Folder:
    """A folder with a folder of images, sounds or clips for each class, or with two such folders `train` and `test`.

    `size`: to which height and width images and clips are brought (one number: both), needed where theirs differ; they
    are scaled to cover it and cut off evenly. `asked`: to which rate and length sounds and clips are brought (see
    `goodfit.data.reading.sounds` and `goodfit.data.reading.videos`). `damaged="skip"` leaves files out that cannot be
    read, and says which. `kind`: what is read; else that of which there are most. Files of kind gif are images, clips
    where kind="video". `cache`: where what was decoded is kept for the next time; none: what does not fit into memory
    is kept in the usual folder (see `goodfit.data.reading.cache`).

    Raises:
        InputError: no classes, no files, images of different sizes without `size`, damaged files.
        MissingExtra: pillow, soundfile or av is not there.
    """
    found = _told(path, kind)
    if found == "sound" and size is not None:
        raise InputError(f"load: size is for images, '{path.name}' holds sounds; give length= in seconds.")
    check_asked(asked, found, True)
    form: Any = None
    made = []
    for each in [listing(root, NAMES[found], endings_of(found, kind is not None)) for root in roots(path)]:
        wanted = Wanted(each.root, each.files, (found, size, asked, form), len(each.files))
        work = partial(_decoded, found, each, size, asked, damaged, form)
        (x, y), form = kept(wanted, cache, damaged, FORMS[found], work)
        made.append((x, y))
    rate = 0 if found == "image" else form.rate
    return Folder(*made[0], found, made[1] if len(made) > 1 else None, rate)


def endings_of(kind: Kind, asked: bool) -> frozenset[str]:
    """The endings of files of a kind; gif counts as clips where these were asked for."""
    return ENDINGS[kind] | (videos.ANIMATED if asked and kind == "video" else frozenset())


def decoded(
    kind: Kind, each: Listing, size: Size, asked: Asked, damaged: Damaged, form: Any = None, make: Make = np.zeros
) -> tuple[Array, Array, Any]:
    """The samples of a folder and their classes, and the form in which they are: that of earlier ones, where given."""
    if kind == "sound":
        return sounds.decoded(each, asked, damaged, form, make)
    if kind == "video":
        return videos.decoded(each, size, asked, damaged, form, make)
    return _pictures(each, size, damaged, form, make)


def _decoded(
    kind: Kind, each: Listing, size: Size, asked: Asked, damaged: Damaged, form: Any, make: Make
) -> tuple[list[Array], Any]:
    x, y, made = decoded(kind, each, size, asked, damaged, form, make)
    return [x, y], made


def _told(path: Path, kind: str | None) -> Kind:
    """What is to be read from a folder."""
    if kind is not None and kind not in ENDINGS:
        what = ", ".join(ENDINGS)
        raise InputError(f"load: kind={kind!r} cannot be a folder of files, '{path.name}' is one; give one of {what}.")
    counts = endings(path)
    numbers: dict[Any, int] = {each: sum(counts[s] for s in suffixes) for each, suffixes in ENDINGS.items()}
    return cast(Kind, kind or max(numbers, key=lambda each: numbers[each]))


def _pictures(each: Listing, size: Size, damaged: Damaged, form: Any, make: Make) -> tuple[Array, Array, Any]:
    """The images and their classes, and the form in which they are."""
    forms, unreadable = parted(over(each.files, look, "looking at images"))
    good = [i for i in range(len(each.files)) if i not in unreadable]

    def names(rows: Sequence[int]) -> str:
        return each.names(each.files[good[i]] for i in rows)

    if form is None:
        form = common([forms[i] for i in good], size, names)
    elif size is None:
        tell_sizes([forms[i][0] for i in good], form.size, names, "images")
    x = make((len(good), form.channels, *form.size), np.uint8)

    def into(at: int) -> None:
        x[at] = decode(each.files[good[at]], form)

    _, broken = parted(over(range(len(good)), into, "decoding images"))
    unreadable |= {good[at]: why for at, why in broken.items()}
    each.tell(unreadable, damaged)
    rows = [at for at in range(len(good)) if at not in broken]
    return compact_rows(x, rows), np.array([each.labels[good[at]] for at in rows]), form
