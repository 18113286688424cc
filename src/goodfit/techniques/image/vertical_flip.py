"""Vertical flip: images are mirrored upside down."""

from __future__ import annotations

from typing import ClassVar

from goodfit.reference import Reference
from goodfit.stages import Flip


class VerticalFlip(Flip):
    """Mirrors images upside down at random.

    Formula: x[…, i, j] ← x[…, H − 1 − i, j] with probability p per sample. All frames of a clip are mirrored together.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: images have no fixed top, as in microscopy or satellite images.
    Hurts when: images have a fixed top (scenes, faces, letters, digits).

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
