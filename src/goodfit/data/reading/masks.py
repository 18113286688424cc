"""Folders with a folder of images and one of their masks, file by file of the same names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from goodfit.data.checks import quoted
from goodfit.data.masks import COLOR_OFFSET, MAX_CLASSES
from goodfit.data.reading import images
from goodfit.data.reading.cache import Make, Wanted, compact_rows, kept
from goodfit.data.reading.images import SUFFIXES, Form, Size
from goodfit.data.reading.listing import LOG, Damaged, Listing, ending, files, folders, over, parted, roots
from goodfit.errors import InputError
from goodfit.types import Array

IMAGES = ("images", "image", "imgs", "img")
MASKS = ("masks", "mask", "labels", "annotations", "segmentations")
"""Names of the folders, in small letters."""
ENDINGS = ("_mask", "-mask", "_gt", "_label", "_labels", "_segmentation")
"""What a mask's name may have behind that of its image."""
LOSSY = (".jpg", ".jpeg", ".webp")
Couple: TypeAlias = tuple[Path, Path]


def holds_masks(path: Path) -> bool:
    """Whether a folder holds a folder of images and one of masks, or such folders in `train` and in `test`."""
    return all(_folders(root) for root in roots(path))


def images_of(path: Path) -> Path:
    """The folder of images in a folder of images and masks, where it is such a one; else the folder itself."""
    found = _folders(path) if path.is_dir() else None
    return found[0] if found else path


def read_folder(
    path: Path, size: Size = None, damaged: Damaged = "refuse", cache: Path | None = None
) -> tuple[tuple[Array, Array], tuple[Array, Array] | None]:
    """Images (rows, channels, height, width) uint8 and masks (rows, height, width) int32; the same of a test part.

    A mask's values are those of its file: numbers of a palette, shades of grey, or colours. `size`: to which height and
    width both are brought, masks by their nearest pixels. `damaged="skip"` leaves out, and names, files that cannot be
    read or have no partner. `cache`: where what was decoded is kept (see `goodfit.data.reading.cache`).

    Raises:
        InputError: files without a partner, damaged ones, or images of different sizes without `size`.
        MissingExtra: pillow is not there.
    """
    form: Form | None = None
    made = []
    for root in roots(path):
        couples = list(_couples(root, damaged))
        wanted = Wanted(root, [file for couple in couples for file in couple], ("masks", size, form), len(couples))
        (x, y), form = kept(wanted, cache, damaged, Form, partial(_decoded, root, couples, size, damaged, form))
        made.append((x, y))
    return made[0], made[1] if len(made) > 1 else None


def _decoded(
    root: Path, couples: Sequence[Couple], size: Size, damaged: Damaged, form: Form | None, make: Make
) -> tuple[list[Array], Form]:
    each = Listing(root, tuple(image for image, _ in couples), ())
    looks, unreadable = parted(over(couples, _look, "looking at images and masks"))
    good = [i for i in range(len(couples)) if i not in unreadable]
    if form is None:
        form = images.common([looks[i] for i in good], size, lambda rows: each.names(each.files[good[i]] for i in rows))
    x = make((len(good), form.channels, *form.size), np.uint8)
    y = make((len(good), *form.size), np.int32)

    def into(at: int) -> None:
        image, mask = couples[good[at]]
        x[at], y[at] = images.decode(image, form), decode(mask, form)

    _, broken = parted(over(range(len(good)), into, "decoding images and masks"))
    each.tell(unreadable | {good[at]: why for at, why in broken.items()}, damaged)
    if any(ending(mask) in LOSSY for _, mask in couples):
        LOG.warning("load: masks of '%s' are JPEG or WebP files, whose values are not exact: taken as black and white",
                    root.name)  # fmt: skip
    rows = [at for at in range(len(good)) if at not in broken]
    return [compact_rows(x, rows), compact_rows(y, rows)], form


def decode(file: Path, form: Form) -> Array:
    """A mask's values (height, width) int32; colours that are no greys are their number plus `COLOR_OFFSET`.

    Raises:
        OSError: the file is damaged.
    """
    library = images.pillow()
    from PIL import ImageOps

    with library.open(file) as opened:
        opened.load()
        mask = ImageOps.exif_transpose(opened)
    if mask.mode not in ("1", "L", "P", "I", "I;16"):
        mask = mask.convert("L" if mask.mode == "LA" else "RGB")
    height, width = form.size
    if mask.size != (width, height):
        mask = ImageOps.fit(mask, (width, height), library.Resampling.NEAREST)
    values = np.asarray(mask).astype(np.int32)
    if values.ndim == 3:
        red, green, blue = values[..., 0], values[..., 1], values[..., 2]
        grey = (red == green) & (green == blue)
        values = np.where(grey, red, COLOR_OFFSET + (red << 16) + (green << 8) + blue)
    if ending(file) in LOSSY:
        values = np.where(values % COLOR_OFFSET >= 128, 255, 0)
    return values.astype(np.int32)


def encode(numbers: Array, classes: Sequence[str]) -> bytes:
    """A mask of class numbers (height, width) as a PNG file with the values that training masks had.

    These are shades of grey, or, where one of the classes is a colour, colours; classes of other names, and numbers
    beyond 255, are stored as their places among the classes.
    """
    coloured = any(name.startswith("#") for name in classes)
    whole = all(name.startswith("#") or (name.isdigit() and int(name) < MAX_CLASSES) for name in classes)
    shades = [name if whole else str(place) for place, name in enumerate(classes)]
    table = [bytes.fromhex(name[1:]) if name[0] == "#" else bytes([int(name)] * 3) for name in shades]
    colours = np.frombuffer(b"".join(table), np.uint8).reshape(-1, 3)[numbers]  # (height, width, 3)
    return images.encode(colours.transpose(2, 0, 1) if coloured and whole else colours[None, ..., 0])


def _look(couple: Couple) -> tuple[tuple[int, int], bool]:
    image, mask = (images.look(file) for file in couple)
    if image[0] != mask[0]:
        raise ValueError(f"its mask has {mask[0][0]} × {mask[0][1]} pixels, the image {image[0][0]} × {image[0][1]}")
    return image


def _folders(root: Path) -> Couple | None:
    """The folder of images and that of masks, if there are both and nothing else."""
    inner = {child.name.lower(): child for child in folders(root)}
    pair = [next((inner[name] for name in names if name in inner), None) for names in (IMAGES, MASKS)]
    return (pair[0], pair[1]) if len(inner) == 2 and pair[0] and pair[1] else None


def _couples(root: Path, damaged: Damaged) -> Iterator[Couple]:
    """Each image with its mask, sorted.

    Raises:
        InputError: one of them alone, where that is not to be skipped, or no couple at all.
    """
    found = _folders(root)
    assert found is not None
    named, masks = (_named(folder) for folder in found)
    alone = [file for name, file in named.items() if name not in masks]
    alone += [file for name, file in masks.items() if name not in named]
    if alone:
        names = quoted([str(file.relative_to(root)) for file in alone])
        said = f"{len(alone)} files of '{root.name}' have no partner of the same name: {names}"
        if damaged == "refuse" or not named.keys() & masks.keys():
            raise InputError(f"load: {said}; add or remove them, or leave them out with damaged='skip'.")
        LOG.warning("load: %s; left out", said)
    if not named:
        raise InputError(f"load: '{root.name}' holds no images ({', '.join(sorted(SUFFIXES))}).")
    yield from ((named[name], masks[name]) for name in sorted(named.keys() & masks.keys()))


def _named(folder: Path) -> dict[str, Path]:
    """The files of a folder by their names without ending, and without what tells a mask's name from its image's."""
    found = {}
    for file in files(folder):
        if ending(file) in SUFFIXES:
            name = file.relative_to(folder).with_suffix("").as_posix()
            found[next((name.removesuffix(end) for end in ENDINGS if name.lower().endswith(end)), name)] = file
    return found
