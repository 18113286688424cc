"""Half turn: images are rotated by 180°."""

from __future__ import annotations

from typing import ClassVar

from goodfit.reference import Reference
from goodfit.stages import Flip


class HalfTurn(Flip):
    """Rotates images by 180° at random.

    Formula: x[…, i, j] ← x[…, H − 1 − i, W − 1 − j] with probability p per sample. All frames of a clip are rotated
    together.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: objects may lie upside down, but not mirrored (coins, parts on a conveyor belt, satellite images).
    Hurts when: images have a fixed top: a 6 becomes a 9.

    >>> HalfTurn(1.0).matrix((), (2, 2))[0].diagonal()
    tensor([-1., -1.,  1.])
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
    aliases: ClassVar[tuple[str, ...]] = ("rotate_180",)
    axes: ClassVar[tuple[int, ...]] = (-1, -2)
