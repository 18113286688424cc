"""Image files as arrays: channels first, 8 bits per value. The only module that imports pillow."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from goodfit.data.options import Images
from goodfit.data.reading.cache import Allocate, compact_rows
from goodfit.data.reading.listing import Listing, Names, map_files, split_damaged, warn_resized
from goodfit.errors import InputError, MissingExtra, first_line
from goodfit.types import Array

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
DEEP = ("I", "I;16", "I;16B", "I;16L")
GREY = ("1", "L", "F", *DEEP)
"""Pillow's modes with one channel."""
Size: TypeAlias = int | tuple[int, int] | None


@dataclass(frozen=True)
class ImageFormat:
    """Size and channels that all images of an array have."""

    size: tuple[int, int]  # height, width
    channels: int


def inspect(file: Path) -> tuple[tuple[int, int], bool]:
    """An image's (height, width), and whether it is grey; its pixels are not decoded.

    Raises:
        OSError: the file is not an image, or its beginning is damaged.
    """
    with pillow().open(file) as image:
        width, height = image.size
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # the camera was held upright
        return ((width, height) if turned else (height, width)), image.mode in GREY


def common_form(
    properties: Sequence[tuple[tuple[int, int], bool]], size: Size, names: Names, samples: str = "images"
) -> ImageFormat:
    """The form for images with these properties: grey if all are grey, otherwise with three channels.

    Args:
        properties: (height, width) of each image, and whether it is grey.
        size: the size that all get; None: the size that they have.
        names: positions → names of files, for messages.
        samples: what the files are, for messages.

    Raises:
        InputError: the sizes differ and no size is given, or there are no images.
    """
    if not properties:
        raise InputError(f"load: none of the {samples} can be read; repair or replace them.")
    channels = 1 if all(grey for _, grey in properties) else 3
    if size is not None:
        return ImageFormat((size, size) if isinstance(size, int) else size, channels)
    sizes = Counter(own for own, _ in properties)
    usual = sizes.most_common(1)[0][0]
    if len(sizes) > 1:
        others = [i for i, (own, _) in enumerate(properties) if own != usual]
        raise InputError(
            f"load: {samples} must have one size; most are {usual[0]} × {usual[1]} (height × width), {len(others)} are "
            f"not ({names(others)}); give size={min(usual)} to bring all to one."
        )
    return ImageFormat(usual, channels)


def decode_listing(
    listing: Listing, options: Images, form: ImageFormat | None = None, allocate: Allocate = np.zeros
) -> tuple[Array, Array, ImageFormat]:
    """Decode the images of a folder.

    Args:
        listing: the files.
        options: the size, and what to do with damaged files.
        form: the form of earlier images, which these get too; None: the form that suits these.
        allocate: creates the array to decode into.

    Returns:
        The images (rows, channels, height, width) uint8, their classes (rows,), and their form.
    """
    properties, damaged = split_damaged(map_files(listing.files, inspect, "reading image headers"))
    good = [i for i in range(len(listing.files)) if i not in damaged]

    def names(rows: Sequence[int]) -> str:
        return listing.names(listing.files[good[i]] for i in rows)

    if form is None:
        form = common_form([properties[i] for i in good], options.size, names)
    elif options.size is None:
        warn_resized([properties[i][0] for i in good], form.size, names, "images")
    x = allocate((len(good), form.channels, *form.size), np.uint8)

    def decode_into(at: int) -> None:
        x[at] = decode(listing.files[good[at]], form)

    _, broken = split_damaged(map_files(range(len(good)), decode_into, "decoding images"))
    listing.report_damaged(damaged | {good[at]: why for at, why in broken.items()}, options.damaged)
    rows = [at for at in range(len(good)) if at not in broken]
    return compact_rows(x, rows), np.array([listing.labels[good[at]] for at in rows]), form


def decode(file: Path, form: ImageFormat) -> Array:
    """Decode an image; 16 bits become 8, transparent pixels become white.

    Shape: (channels, height, width) uint8.

    Raises:
        OSError: the file is damaged.
        ValueError: it holds floating-point numbers.
    """
    library = pillow()
    from PIL import ImageOps

    with library.open(file) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
    if image.mode == "F":
        raise ValueError(
            f"it holds floating-point numbers (mode {image.mode}), whose black and white levels are unknown"
        )
    if image.mode in DEEP:
        values = np.asarray(image, np.float64).clip(0, 65535)
        image = library.fromarray((values / 257).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = library.new("RGBA", image.size, "white")
        image = library.alpha_composite(white, image)
    image = image.convert("L" if form.channels == 1 else "RGB")
    height, width = form.size
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), library.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if form.channels == 1 else pixels.transpose(2, 0, 1)


def encode(shades: Array) -> bytes:
    """An image as a PNG file.

    Shape: shades (1 or 3 channels, height, width) uint8.
    """
    file = io.BytesIO()
    _picture(shades).save(file, "PNG", optimize=True)
    return file.getvalue()


def encode_clip(shades: Array, milliseconds: int = 80) -> bytes:
    """A clip as a GIF file that plays in a loop.

    Shape: shades (1 or 3 channels, frames, height, width) uint8.
    """
    file = io.BytesIO()
    first, *others = (_picture(frame) for frame in shades.swapaxes(0, 1))
    first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return file.getvalue()


def tile(rows: Sequence[Sequence[Array]], least: int = 64, gap: int = 4) -> Array:
    """A sheet of images of one size on white; a wider gap follows the first column.

    Images are enlarged so that their shorter side has at least `least` pixels.
    """
    channels, height, width = rows[0][0].shape
    times = max(1, -(-least // min(height, width)))
    height, width = height * times, width * times
    columns = len(rows[0])
    size = channels, len(rows) * (height + gap) + gap, columns * (width + gap) + gap + 2 * gap
    sheet = np.full(size, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = gap + i * (height + gap), gap + j * (width + gap) + 2 * gap * (j > 0)
            sheet[:, top : top + height, left : left + width] = image.repeat(times, 1).repeat(times, 2)
    return sheet


def _picture(shades: Array) -> Any:
    last = shades.transpose(1, 2, 0)
    return pillow().fromarray(np.ascontiguousarray(last[..., 0] if last.shape[-1] == 1 else last[..., :3]))


def pillow() -> Any:
    """Pillow's `Image` module.

    Raises:
        MissingExtra: pillow is not installed.
    """
    try:
        from PIL import Image
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra(
            f"load: image files need pillow ({first_line(error)}); pip install goodfit[images]."
        ) from error
    return Image
