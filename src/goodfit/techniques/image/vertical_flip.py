"""Vertical flip: images mirrored upside down."""

from __future__ import annotations

from typing import ClassVar

from goodfit.stages import Mirror


class VerticalFlip(Mirror):
    """Mirrors images upside down.

    Formula: x[…, i, j] ← x[…, H − 1 − i, j] with probability p per sample; a clip's frames alike.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: there is no up and down, as under a microscope or from a satellite.
    Hurts when: there is: scenes, faces, letters, digits.

    >>> VerticalFlip(1.0).matrix((), (2, 2))[0].diagonal()
    tensor([ 1., -1.,  1.])

    Reference: C. Shorten and T. M. Khoshgoftaar, A survey on image data augmentation for deep learning, Journal of Big
    Data 6, 2019, https://doi.org/10.1186/s40537-019-0197-0
    """

    axes: ClassVar[tuple[int, ...]] = (-2,)
