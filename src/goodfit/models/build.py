"""Build reference networks from a short text, such as `mlp:64-64`, which is stored with their weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torch import nn

from goodfit.errors import InputError, near
from goodfit.models.cnn import cnn
from goodfit.models.mel import mel_cnn
from goodfit.models.mlp import mlp
from goodfit.models.resnet import resnet
from goodfit.models.text import bag, text_cnn
from goodfit.models.unet import unet
from goodfit.rng import seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NETWORKS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (256, 256)),
    "cnn": (cnn, (16, 32)),
    "resnet": (resnet, (16, 32, 64)),
    "mel_cnn": (mel_cnn, (16, 32, 64)),
    "unet": (unet, (16, 32, 64)),
}
"""Name → the function that builds the network, and its default layer sizes."""
TEXT_NETWORKS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "bag": (bag, (64, 64)),
    "text_cnn": (text_cnn, (64, 64)),
}
"""The same for networks whose inputs are word ids."""


def build(text: str, input_shape: Sequence[int], outputs: int, seed: int, words: int = 0) -> nn.Module:
    """Build a reference network with weights drawn from a seed.

    Args:
        text: the name of the network, and optionally the sizes of its layers: `mlp`, `mlp:64-64`, `cnn:16-32`,
            `resnet:16-32-64`, `mel_cnn:16-32-64` (sound, in windows of 256 samples), `unet:16-32-64` (masks).
        input_shape: the shape of one row of inputs.
        outputs: the number of outputs per row; for `unet`, per pixel.
        seed: the seed of the weights; the global random generators are not changed.
        words: the size of the vocabulary, for `bag` and `text_cnn`; 0 for other inputs.

    >>> [tuple(p.shape) for p in build("mlp:8", (4,), 2, seed=0).parameters()]
    [(8, 4), (8,), (2, 8), (2,)]

    Raises:
        InputError: the name is unknown or does not fit the inputs, or a size is not a whole number.
    """
    name, _, sizes = text.partition(":")
    networks = NETWORKS | TEXT_NETWORKS
    if name not in networks:
        raise InputError(f"model: there is no reference network '{name}'.{near(name, networks)}")
    if (name in TEXT_NETWORKS) != (words > 0):
        rule, fitting = ("does not accept texts", TEXT_NETWORKS) if words else ("accepts only texts", NETWORKS)
        raise InputError(f"model: '{name}' {rule}; use one of {', '.join(fitting)}.")
    make, default = networks[name]
    if ":" in text and not re.fullmatch(r"\d{1,5}(-\d{1,5})*", sizes):
        raise InputError(f"model: sizes must be written {name}:{'-'.join(map(str, default))}, got '{text}'.")
    hidden = tuple(int(n) for n in sizes.split("-")) if sizes else default
    with seeded(seed):
        return make(words if words else tuple(input_shape), outputs, hidden)
