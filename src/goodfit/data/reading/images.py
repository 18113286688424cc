"""Image files as arrays: channels in front, 8 bits each. The only place that imports pillow."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from goodfit.errors import InputError, MissingExtra
from goodfit.types import Array

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
DEEP = ("I", "I;16", "I;16B", "I;16L")
GREY = ("1", "L", "F", *DEEP)
"""Pillow's names of what has one channel."""
Size: TypeAlias = int | tuple[int, int] | None


@dataclass(frozen=True)
class Form:
    """In which form images become an array."""

    size: tuple[int, int]  # height, width
    channels: int


def look(file: Path) -> tuple[tuple[int, int], bool]:
    """An image's (height, width), and whether it is grey; its pixels are not read.

    Raises:
        OSError: it is no image, or damaged at its beginning.
    """
    with pillow().open(file) as image:
        width, height = image.size
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # a camera that was held upright
        return ((width, height) if turned else (height, width)), image.mode in GREY


def common(
    looks: Sequence[tuple[tuple[int, int], bool]],
    size: Size,
    names: Callable[[Sequence[int]], str],
    what: str = "images",
) -> Form:
    """The form for all images: grey where all are, else of three colours. `what`: what errors call them.

    Raises:
        InputError: different sizes where no size is given, or a size that is none.
    """
    if not looks:
        raise InputError(f"load: none of the {what} can be read; mend or replace them.")
    channels = 1 if all(grey for _, grey in looks) else 3
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1:
            raise InputError(f"load: size must be at least 1 pixel, got {size!r}.")
        return Form((height, width), channels)
    sizes = Counter(found for found, _ in looks)
    usual = sizes.most_common(1)[0][0]
    if len(sizes) > 1:
        others = [i for i, (found, _) in enumerate(looks) if found != usual]
        raise InputError(
            f"load: {what} must have one size; most are {usual[0]} × {usual[1]} (height × width), {len(others)} are "
            f"not ({names(others)}); give size={min(usual)} to bring all to one."
        )
    return Form(usual, channels)


def decode(file: Path, form: Form) -> Array:
    """An image's pixels (channel, height, width) as uint8; 16 bits become 8, transparency becomes white.

    Raises:
        OSError: the file is damaged.
    """
    library = pillow()
    from PIL import ImageOps

    with library.open(file) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
    if image.mode == "F":
        raise ValueError("its values are floating-point numbers, of which black and white are not known")
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
    """An image (1 or 3 channels, height, width) of uint8 as a PNG file."""
    file = io.BytesIO()
    _picture(shades).save(file, "PNG", optimize=True)
    return file.getvalue()


def encode_clip(shades: Array, milliseconds: int = 80) -> bytes:
    """A clip (1 or 3 channels, frame, height, width) of uint8 as a GIF file that plays without end."""
    file = io.BytesIO()
    first, *others = (_picture(frame) for frame in shades.swapaxes(0, 1))
    first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return file.getvalue()


def tile(rows: Sequence[Sequence[Array]], least: int = 64, gap: int = 4) -> Array:
    """Images of one size side by side on white, enlarged to at least so many pixels; the first column stands apart."""
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
    """Pillow's module of images.

    Raises:
        MissingExtra: it is not there.
    """
    try:
        from PIL import Image
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra("load: image files need pillow; pip install goodfit[images]") from error
    return Image
