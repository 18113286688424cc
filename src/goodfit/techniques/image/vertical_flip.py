"""Vertical flip: images mirrored upside down."""

from __future__ import annotations

from typing import ClassVar

from goodfit.reference import Reference
from goodfit.stages import Flip


class VerticalFlip(Flip):
    """Mirrors images upside down.

    Formula: x[…, i, j] ← x[…, H − 1 − i, j] with probability p per sample; a clip's frames alike.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: there is no up and down, as under a microscope or from a satellite.
    Hurts when: there is: scenes, faces, letters, digits.

    >>> VerticalFlip(1.0).matrix((), (2, 2))[0].diagonal()
    tensor([ 1., -1.,  1.])
    """

    references = (
        Reference(
            authors=("C. Shorten", "T. M. Khoshgoftaar"),
            title="A survey on image data augmentation for deep learning",
            venue="Journal of Big Data",
            volume="6",
            year=2019,
            url="https://doi.org/10.1186/s40537-019-0197-0",
        ),
    )
    axes: ClassVar[tuple[int, ...]] = (-2,)
