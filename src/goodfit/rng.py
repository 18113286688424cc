"""Random streams, each derived from (seed, epoch, purpose): a resumed run draws the same numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

PURPOSES = ("init", "order", "noise", "user", "sample", "rows")


@lru_cache(maxsize=1024)  # compared runs share their seeds
def stream(seed: int, epoch: int, purpose: str) -> int:
    """The seed of one stream.

    >>> stream(0, 1, "order") == stream(0, 1, "order") != stream(0, 2, "order")
    True
    """
    words = np.random.SeedSequence([seed, epoch, PURPOSES.index(purpose)]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def generator(seed: int, epoch: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A new generator for one stream."""
    generator = torch.Generator(device=device)
    generator.manual_seed(stream(seed, epoch, purpose))
    return generator
