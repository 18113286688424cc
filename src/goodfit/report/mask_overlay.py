"""Draw masks over images: one colour per class; the first class, the background, has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from goodfit.types import Array

COLOURS = (
    ("blue", (43, 102, 230)), ("orange", (235, 120, 20)), ("green", (20, 150, 90)), ("magenta", (190, 50, 150)),
    ("yellow", (235, 200, 20)), ("turquoise", (20, 180, 190)), ("red", (200, 30, 40)), ("brown", (120, 80, 50)),
)  # fmt: skip
"""Names and RGB values of the colours; they repeat if there are more classes."""
OPACITY = 0.5
"""The share of the mask's colour in a pixel."""


def overlay_mask(shades: Array, mask: Tensor) -> Array:
    """Return an image in the colours of its mask, as uint8.

    Shape: shades (channel, height, width); mask (height, width) → (3, height, width).
    """
    classes = mask.cpu().numpy().astype(np.int64)
    colours = np.array([colour for _, colour in COLOURS], np.float64)[(classes - 1) % len(COLOURS)]
    image = np.broadcast_to(shades if len(shades) == 3 else shades[:1], (3, *shades.shape[1:]))
    mixed = (1 - OPACITY) * image + OPACITY * colours.transpose(2, 0, 1)
    return np.where(classes > 0, mixed.round(), image).astype(np.uint8)


def mask_legend(classes: Sequence[str]) -> str:
    """Return a sentence that names the colour of each class.

    >>> mask_legend(["0", "cat", "dog"])
    "Masks: '0' is not coloured, 'cat' is blue, 'dog' is orange."
    """
    colours = [f"'{classes[0]}' is not coloured"]
    colours += [f"'{name}' is {COLOURS[i % len(COLOURS)][0]}" for i, name in enumerate(classes[1:9])]
    return f"Masks: {', '.join(colours)}{', and so on' if len(classes) > 9 else ''}."
