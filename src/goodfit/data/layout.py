"""Arrays in the shape that networks take: channels before space and time."""

from __future__ import annotations

from goodfit.data.kinds import kind as kind_named
from goodfit.data.kinds import kind_of_array
from goodfit.types import Array


def arrange(x: Array, kind: str | None = None, who: str = "load") -> tuple[Array, str]:
    """Rows with their channels first, and the name of their kind, inferred from shape and dtype where it is not given.

    Shape: (rows, columns) is a table; (rows, height, width) of uint8 is grey images, of floats (rows, channels, time)
    series; four dimensions are images and five are clips, with their channels first or last.

    >>> import numpy as np
    >>> arrange(np.zeros((2, 28, 28), np.uint8))[0].shape, arrange(np.zeros((2, 32, 32, 3), np.uint8))[0].shape
    ((2, 1, 28, 28), (2, 3, 32, 32))
    >>> arrange(np.zeros((2, 8000)), "sound")[0].shape
    (2, 1, 8000)

    Raises:
        InputError: an unknown kind, or a shape that it cannot have.
    """
    chosen = kind_of_array(x) if kind is None else kind_named(kind, who)
    return chosen.arrange(x, who), chosen.name
