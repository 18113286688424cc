"""Random streams: each follows from (seed, epoch, purpose), so that a resumed run draws what an unbroken one would."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

PURPOSES = ("init", "order", "noise", "user", "sample", "rows")


@lru_cache(maxsize=1024)  # runs that are compared share their seeds
def stream(seed: int, epoch: int, purpose: str) -> int:
    """The seed of one stream.

    >>> stream(0, 1, "order") == stream(0, 1, "order") != stream(0, 2, "order")
    True
    """
    words = np.random.SeedSequence([seed, epoch, PURPOSES.index(purpose)]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def generator(seed: int, epoch: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for one stream."""
    made = torch.Generator(device=device)
    made.manual_seed(stream(seed, epoch, purpose))
    return made
