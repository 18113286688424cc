"""The size of a class after balancing."""

from __future__ import annotations

import math


def balanced_size(size: int, largest: int, strength: float) -> int:
    """The number of rows of a class after balancing: size^(1 − strength) · largest^strength, rounded up.

    Args:
        size: number of rows of the class, at least 1.
        largest: number of rows of the largest class.
        strength: 0 keeps the size, 1 returns `largest`.

    >>> balanced_size(3, 27, strength=0.5), balanced_size(3, 10, strength=0.5)
    (9, 6)
    """
    count = math.pow(size, 1 - strength) * math.pow(largest, strength)
    return min(largest, math.ceil(round(count, 6)))  # rounded, so that √3 · √27 gives exactly 9
