"""Horizontal flip: images are mirrored left to right."""

from __future__ import annotations

from typing import ClassVar

from goodfit.reference import Reference
from goodfit.stages import Flip


class HorizontalFlip(Flip):
    """Mirrors images left to right at random.

    Formula: x[…, i, j] ← x[…, i, W − 1 − j] with probability p per sample. All frames of a clip are mirrored together.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: left and right have the same meaning, as in most photographs.
    Hurts when: a mirrored image has another meaning or none (letters, digits, arrows, hands, chest X-rays). Leave the
    technique out, or name the classes that may be mirrored with `classes`.

    >>> HorizontalFlip(1.0).matrix((), (2, 2))[0].diagonal()
    tensor([-1.,  1.,  1.])
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
    axes: ClassVar[tuple[int, ...]] = (-1,)
