"""Colours of images."""

from __future__ import annotations

from torch import Tensor


def grayscale(images: Tensor) -> Tensor:
    """The luminance of images: 0.299 R + 0.587 G + 0.114 B.

    Images with another number of channels than 3 are averaged over their channels.

    Shape: (batch, channel, …) → (batch, 1, …).
    """
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    luminance: Tensor = 0.299 * red + 0.587 * green + 0.114 * blue
    return luminance
