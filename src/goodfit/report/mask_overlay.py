"""Images with their masks on them: each class but the first in a tint of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from goodfit.types import Array

COLOURS = (
    ("blue", (43, 102, 230)), ("orange", (235, 120, 20)), ("green", (20, 150, 90)), ("magenta", (190, 50, 150)),
    ("yellow", (235, 200, 20)), ("turquoise", (20, 180, 190)), ("red", (200, 30, 40)), ("brown", (120, 80, 50)),
)  # fmt: skip
"""Names and colours, which begin anew where there are more classes."""
SHARE = 0.5
"""How much of a pixel is the tint."""


def overlay_mask(shades: Array, mask: Tensor) -> Array:
    """An image (channel, height, width) of uint8 in colours (3, height, width), tinted by its mask (height, width)."""
    number = mask.cpu().numpy().astype(np.int64)
    colours = np.array([colour for _, colour in COLOURS], np.float64)[(number - 1) % len(COLOURS)]
    image = np.broadcast_to(shades if len(shades) == 3 else shades[:1], (3, *shades.shape[1:]))
    mixed = (1 - SHARE) * image + SHARE * colours.transpose(2, 0, 1)
    return np.where(number > 0, mixed.round(), image).astype(np.uint8)


def mask_legend(classes: Sequence[str]) -> str:
    """Which tint is which class.

    >>> mask_legend(["0", "cat", "dog"])
    "Masks: '0' is not tinted, 'cat' is blue, 'dog' is orange."
    """
    told = [f"'{classes[0]}' is not tinted"]
    told += [f"'{name}' is {COLOURS[i % len(COLOURS)][0]}" for i, name in enumerate(classes[1:9])]
    return f"Masks: {', '.join(told)}{', and so on' if len(classes) > 9 else ''}."
