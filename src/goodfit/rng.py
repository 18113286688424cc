"""Random streams, each derived from (seed, epoch, purpose): a resumed run draws the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


def seed_global_generators(seed: int) -> None:
    """Seed torch's global generators, from which the user's own layers draw."""
    # Without an accelerator, `torch.manual_seed` spends 100 times as long on formatting the stack for each kind of it.
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block, torch's global generators start from a seed; those of CPU and CUDA are restored afterwards."""
    with torch.random.fork_rng():
        seed_global_generators(seed)
        yield


def generator(seed: int, epoch: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A new generator for one stream."""
    generator = torch.Generator(device=device)
    generator.manual_seed(stream(seed, epoch, purpose))
    return generator
