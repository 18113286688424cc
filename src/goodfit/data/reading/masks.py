"""Folders with a folder of images and one of their masks; files of the same name belong together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from goodfit.data.checks import quoted
from goodfit.data.options import Images
from goodfit.data.reading import images
from goodfit.data.reading.cache import Allocate, Source, compact_rows, decode_cached
from goodfit.data.reading.folders import Folder
from goodfit.data.reading.images import SUFFIXES, ImageFormat
from goodfit.data.reading.listing import (
    LOG,
    Listing,
    files,
    folders,
    map_files,
    roots,
    split_damaged,
    suffix,
    warn_resized,
)
from goodfit.errors import InputError
from goodfit.types import Array

MAX_CLASSES = 256
"""The largest number of classes of masks, so that a pixel takes one byte."""
COLOR_OFFSET = 1 << 24
"""Added to the number of a colour (red · 2¹⁶ + green · 2⁸ + blue), so that it differs from all shades of grey."""
IMAGES = ("images", "image", "imgs", "img")
MASKS = ("masks", "mask", "labels", "annotations", "segmentations")
"""Names of the folders, in lower case."""
ENDINGS = ("_mask", "-mask", "_gt", "_label", "_labels", "_segmentation")
"""Endings that the name of a mask may have in addition to that of its image."""
LOSSY = (".jpg", ".jpeg", ".webp")
Pair: TypeAlias = tuple[Path, Path]
"""An image and its mask."""


def holds_masks(path: Path) -> bool:
    """Whether a folder, or each of its folders `train` and `test`, has a folder of images and one of masks."""
    return all(_folders(root) for root in roots(path))


def images_of(path: Path) -> Path:
    """The folder of images if a folder holds one of images and one of masks; otherwise the folder itself."""
    pair = _folders(path) if path.is_dir() else None
    return pair[0] if pair else path


def read_folder(path: Path, options: Images, cache: Path | None = None) -> Folder:
    """Images and their masks, also of a test part.

    A mask's values are those of its file: numbers of a palette, shades of grey, or colours. Where `options.size` is
    given, masks are resized by their nearest pixels. With damaged="skip", files that cannot be read or have no partner
    are named and left out.

    Shape: x (rows, channels, height, width) uint8, y (rows, height, width) int32.

    Raises:
        InputError: files without a partner, damaged files, or images of different sizes without `size`.
        MissingExtra: pillow is not installed.
    """
    form: ImageFormat | None = None
    read = []
    for root in roots(path):
        pairs = list(_pairs(root, options.damaged))
        settings = ("masks", options.size, form)
        source = Source(root, [file for pair in pairs for file in pair], settings, len(pairs))
        decode_pairs = partial(_decode_pairs, root, pairs, options, form)
        (x, y), form = decode_cached(source, cache, options.damaged, ImageFormat, decode_pairs)
        read.append((x, y))
    return Folder(*read[0], read[1] if len(read) > 1 else None, target="mask")


def _decode_pairs(
    root: Path, pairs: Sequence[Pair], options: Images, form: ImageFormat | None, allocate: Allocate
) -> tuple[list[Array], ImageFormat]:
    listing = Listing(root, tuple(image for image, _ in pairs), ())
    properties, damaged = split_damaged(map_files(pairs, _inspect, "reading headers of images and masks"))
    good = [i for i in range(len(pairs)) if i not in damaged]
    names = lambda rows: listing.names(listing.files[good[i]] for i in rows)  # noqa: E731
    if form is None:
        form = images.common_form([properties[i] for i in good], options.size, names)
    elif options.size is None:
        warn_resized([properties[i][0] for i in good], form.size, names, "images and masks")
    x = allocate((len(good), form.channels, *form.size), np.uint8)
    y = allocate((len(good), *form.size), np.int32)

    def decode_into(at: int) -> None:
        image, mask = pairs[good[at]]
        x[at], y[at] = images.decode(image, form), decode(mask, form)

    _, broken = split_damaged(map_files(range(len(good)), decode_into, "decoding images and masks"))
    listing.report_damaged(damaged | {good[at]: why for at, why in broken.items()}, options.damaged)
    if any(suffix(mask) in LOSSY for _, mask in pairs):
        LOG.warning("load: masks of '%s' are JPEG or WebP files, whose values are not exact: they are read as black "
                    "and white", root.name)  # fmt: skip
    rows = [at for at in range(len(good)) if at not in broken]
    return [compact_rows(x, rows), compact_rows(y, rows)], form


def decode(file: Path, form: ImageFormat) -> Array:
    """Decode a mask; colours that are not grey become their number plus `COLOR_OFFSET`.

    Shape: (height, width) int32.

    Raises:
        OSError: the file is damaged.
        ValueError: it holds floating-point numbers.
    """
    library = images.pillow()
    from PIL import ImageOps

    with library.open(file) as opened:
        opened.load()
        mask = ImageOps.exif_transpose(opened)
    if mask.mode == "F":
        raise ValueError("it holds floating-point numbers (mode F); masks hold a whole number for each class")
    if mask.mode not in ("1", "L", "P", *images.DEEP):
        mask = mask.convert("L" if mask.mode == "LA" else "RGB")
    height, width = form.size
    if mask.size != (width, height):
        mask = ImageOps.fit(mask, (width, height), library.Resampling.NEAREST)
    values = np.asarray(mask).astype(np.int32)
    if values.ndim == 3:
        red, green, blue = values[..., 0], values[..., 1], values[..., 2]
        grey = (red == green) & (green == blue)
        values = np.where(grey, red, COLOR_OFFSET + (red << 16) + (green << 8) + blue)
    if suffix(file) in LOSSY:
        values = np.where(values % COLOR_OFFSET >= 128, 255, 0)
    return values.astype(np.int32)


def encode(numbers: Array, classes: Sequence[str]) -> bytes:
    """A mask as a PNG file with the values that the training masks had.

    Values are shades of grey, or colours where one of the classes is a colour. Classes with other names, and numbers
    beyond 255, are stored as their position among the classes.

    Shape: numbers (height, width), positions among the classes.
    """
    has_colours = any(name.startswith("#") for name in classes)
    whole = all(name.startswith("#") or (name.isdigit() and int(name) < MAX_CLASSES) for name in classes)
    shades = [name if whole else str(place) for place, name in enumerate(classes)]
    table = [bytes.fromhex(name[1:]) if name[0] == "#" else bytes([int(name)] * 3) for name in shades]
    colours = np.frombuffer(b"".join(table), np.uint8).reshape(-1, 3)[numbers]  # (height, width, 3)
    return images.encode(colours.transpose(2, 0, 1) if has_colours and whole else colours[None, ..., 0])


def _inspect(pair: Pair) -> tuple[tuple[int, int], bool]:
    image, mask = (images.inspect(file) for file in pair)
    if image[0] != mask[0]:
        raise ValueError(f"its mask has {mask[0][0]} × {mask[0][1]} pixels, the image {image[0][0]} × {image[0][1]}")
    return image


def _folders(root: Path) -> Pair | None:
    """The folder of images and that of masks, if a folder holds exactly these two."""
    inner = {child.name.lower(): child for child in folders(root)}
    pair = [next((inner[name] for name in names if name in inner), None) for names in (IMAGES, MASKS)]
    return (pair[0], pair[1]) if len(inner) == 2 and pair[0] and pair[1] else None


def _pairs(root: Path, damaged: str) -> Iterator[Pair]:
    """Each image with its mask, sorted.

    Raises:
        InputError: a file has no partner and damaged is "refuse", or there are no pairs.
    """
    pair = _folders(root)
    assert pair is not None
    named = _by_name(pair[0])
    masks = _by_name(pair[1], named)
    single = [file for name, file in named.items() if name not in masks]
    single += [file for name, file in masks.items() if name not in named]
    if single:
        names = quoted([str(file.relative_to(root)) for file in single])
        summary = f"{len(single)} files of '{root.name}' have no partner of the same name: {names}"
        if damaged == "refuse" or not named.keys() & masks.keys():
            raise InputError(f"load: {summary}; add or remove them, or leave them out with damaged='skip'.")
        LOG.warning("load: %s; left out", summary)
    if not named:
        raise InputError(f"load: '{root.name}' holds no images ({', '.join(sorted(SUFFIXES))}).")
    yield from ((named[name], masks[name]) for name in sorted(named.keys() & masks.keys()))


def _by_name(folder: Path, named: Collection[str] | None = None) -> dict[str, Path]:
    """The image files of a folder by their names without suffix.

    Of masks, for which the names of the images are given, an ending is left out where no image has it.

    Raises:
        InputError: two files have the same name.
    """
    by_name: dict[str, Path] = {}
    for file in files(folder):
        if suffix(file) not in SUFFIXES:
            continue
        name = file.relative_to(folder).with_suffix("").as_posix()
        if named is not None and name not in named:
            name = next((name[: -len(end)] for end in ENDINGS if name.lower().endswith(end)), name)
        if name in by_name:
            same = quoted([by_name[name].name, file.name])
            raise InputError(
                f"load: files in '{folder.name}' must have different names (without suffix and ending), got {same}; "
                "rename or remove one."
            )
        by_name[name] = file
    return by_name
