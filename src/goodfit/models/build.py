"""Reference networks by a short text that is stored together with their weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import nn

from goodfit.errors import InputError, near
from goodfit.models.cnn import cnn
from goodfit.models.mel import mel_cnn
from goodfit.models.mlp import mlp
from goodfit.models.resnet import resnet
from goodfit.models.text import bag, text_cnn
from goodfit.models.unet import unet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NETWORKS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (256, 256)),
    "cnn": (cnn, (16, 32)),
    "resnet": (resnet, (16, 32, 64)),
    "mel_cnn": (mel_cnn, (16, 32, 64)),
    "unet": (unet, (16, 32, 64)),
}
"""Name → the function that creates the network, and the default sizes of its layers."""
READERS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "bag": (bag, (64, 64)),
    "text_cnn": (text_cnn, (64, 64)),
}
"""The same for networks whose inputs are word numbers."""


def build(text: str, input_shape: Sequence[int], outputs: int, seed: int, words: int = 0) -> nn.Module:
    """Create the network that a text names, with weights that follow from the seed.

    Names are `mlp`, `cnn`, `resnet`, `mel_cnn` (for sounds, in windows of 256 samples), `unet` (for masks), `bag` and
    `text_cnn` (for texts). The sizes of the layers may follow: `mlp:64-64`. The global generators are not changed.

    Args:
        text: the name, with or without sizes.
        input_shape: the shape of one input.
        outputs: the number of outputs.
        seed: the seed of the weights.
        words: the size of the vocabulary, for texts.

    >>> [tuple(p.shape) for p in build("mlp:8", (4,), 2, seed=0).parameters()]
    [(8, 4), (8,), (2, 8), (2,)]

    Raises:
        InputError: the name is unknown, it does not match the inputs, or sizes are not whole numbers.
    """
    name, _, sizes = text.partition(":")
    networks = NETWORKS | READERS
    if name not in networks:
        raise InputError(f"model: there is no reference network '{name}'.{near(name, networks)}")
    if (name in READERS) != (words > 0):
        what, names = ("texts", READERS) if words else ("no texts", NETWORKS)
        raise InputError(f"model: '{name}' does not match inputs that are {what}; choose one of {', '.join(names)}.")
    create, default = networks[name]
    if ":" in text and not re.fullmatch(r"\d{1,5}(-\d{1,5})*", sizes):
        raise InputError(f"model: sizes must be written {name}:{'-'.join(map(str, default))}, got '{text}'.")
    hidden = tuple(int(n) for n in sizes.split("-")) if sizes else default
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return create(words if words else tuple(input_shape), outputs, hidden)
