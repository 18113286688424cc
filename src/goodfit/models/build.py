"""Reference networks by a short text that can be stored beside their weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import nn

from goodfit.errors import InputError, near
from goodfit.models.mlp import mlp

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("mlp",)


def build(text: str, input_shape: Sequence[int], outputs: int, seed: int) -> nn.Module:
    """The network that a text names, with weights that follow from the seed: `mlp` or `mlp:64-64`.

    The global generators are left as they were.

    >>> [tuple(p.shape) for p in build("mlp:8", (4,), 2, seed=0).parameters()]
    [(8, 4), (8,), (2, 8), (2,)]

    Raises:
        InputError: an unknown name, or sizes that are not whole numbers.
    """
    name, _, sizes = text.partition(":")
    if name not in NAMES:
        raise InputError(f"model: there is no reference network '{name}'.{near(name, NAMES)}")
    if ":" in text and not re.fullmatch(r"\d{1,5}(-\d{1,5})*", sizes):
        raise InputError(f"model: sizes must be written {name}:256-256, got '{text}'.")
    hidden = tuple(int(n) for n in sizes.split("-")) if sizes else (256, 256)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return mlp(tuple(input_shape), outputs, hidden)
