"""Folders with a folder for each class, of images or of sounds; decoded once, in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.arrays import Array
from goodfit.data.inputs import Kind
from goodfit.data.reading import sounds
from goodfit.data.reading.images import SUFFIXES, Size, common, decode, look
from goodfit.data.reading.listing import Damaged, Listing, endings, folders, listing, over, parted
from goodfit.errors import InputError

PARTS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Folder:
    """What a folder holds: samples, their classes, and an official test part where there is one."""

    x: Array
    y: Array
    kind: Kind
    test: tuple[Array, Array] | None = None
    rate: int = 0


def read_folder(
    path: Path,
    size: Size = None,
    damaged: Damaged = "refuse",
    asked: sounds.Asked = sounds.ANY,
) -> Folder:
    """A folder with a folder of images or sounds for each class, or with two such folders `train` and `test`.

    `size`: to which height and width images are brought (one number: both), needed where theirs differ; they are scaled
    to cover it and cut off evenly. `asked`: to which rate and length sounds are brought (see
    `goodfit.data.reading.sounds`). `damaged="skip"` leaves files out that cannot be read, and says which.

    Raises:
        InputError: no classes, no files, images of different sizes without `size`, damaged files.
        MissingExtra: pillow or soundfile is not there.
    """
    if damaged not in ("refuse", "skip"):
        raise InputError(f"load: damaged must be 'refuse' or 'skip', got {damaged!r}.")
    counts = endings(path)
    heard = sum(counts[s] for s in sounds.SUFFIXES) > sum(counts[s] for s in SUFFIXES)
    if heard and size is not None:
        raise InputError(f"load: size is for images, '{path.name}' holds sounds; give length= in seconds.")
    if not heard and asked != sounds.ANY:
        raise InputError(f"load: rate and length are for sounds, '{path.name}' holds none; leave them out.")
    inner = {child.name.lower(): child for child in folders(path)}
    roots = [inner[name] for name in PARTS] if set(inner) == set(PARTS) else [path]
    what, suffixes = ("sounds", sounds.SUFFIXES) if heard else ("images", SUFFIXES)
    form: Any = None
    made = []
    for each in [listing(root, what, suffixes) for root in roots]:
        if heard:
            x, y, form = sounds.decoded(each, asked, damaged, form)
        else:
            x, y, form = _pictures(each, size, damaged, form)
        made.append((x, y))
    rate = form.rate if heard else 0
    return Folder(*made[0], "sound" if heard else "image", made[1] if len(made) > 1 else None, rate)


def _pictures(each: Listing, size: Size, damaged: Damaged, form: Any = None) -> tuple[Array, Array, Any]:
    """The images and their classes, and the form in which they are."""
    forms, unreadable = parted(over(each.files, look, "looking at images"))
    good = [i for i in range(len(each.files)) if i not in unreadable]
    if form is None:
        form = common([forms[i] for i in good], size, lambda rows: each.names(each.files[good[i]] for i in rows))
    x = np.empty((len(good), form.channels, *form.size), np.uint8)

    def into(at: int) -> None:
        x[at] = decode(each.files[good[at]], form)

    _, broken = parted(over(range(len(good)), into, "decoding images"))
    unreadable |= {good[at]: why for at, why in broken.items()}
    each.tell(unreadable, damaged)
    kept = [at for at in range(len(good)) if at not in broken]
    labels = np.array([each.labels[good[at]] for at in kept])
    return (x if len(kept) == len(good) else x[kept]), labels, form
