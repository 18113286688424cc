"""Reference networks by a short text that can be stored beside their weights."""

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
"""Name → what makes the network, and the sizes of its layers where the text gives none."""
READERS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "bag": (bag, (64, 64)),
    "text_cnn": (text_cnn, (64, 64)),
}
"""The same for networks whose inputs are the numbers of words."""


def usual(kind: str, task: str = "classification") -> str:
    """The network for a kind of inputs and a task where nobody names one.

    >>> usual("table"), usual("text"), usual("image", "segmentation")
    ('mlp', 'bag', 'unet')
    """
    if task == "segmentation":
        return "unet"
    return {"text": "bag", "sound": "mel_cnn", "video": "cnn"}.get(kind, "mlp")


def build(text: str, input_shape: Sequence[int], outputs: int, seed: int, words: int = 0) -> nn.Module:
    """The network that a text names, with weights that follow from the seed: `mlp`, `mlp:64-64`, `cnn:16-32`,
    `resnet:16-32-64`, `mel_cnn:16-32-64` (for sound, in windows of 256 samples), `unet:16-32-64` (for masks).

    The global generators are left as they were. `words`: how many words texts are made of, for `bag` and `text_cnn`.

    >>> [tuple(p.shape) for p in build("mlp:8", (4,), 2, seed=0).parameters()]
    [(8, 4), (8,), (2, 8), (2,)]

    Raises:
        InputError: an unknown name, one that does not fit the inputs, or sizes that are not whole numbers.
    """
    name, _, sizes = text.partition(":")
    networks = NETWORKS | READERS
    if name not in networks:
        raise InputError(f"model: there is no reference network '{name}'.{near(name, networks)}")
    if (name in READERS) != (words > 0):
        what, fit = ("texts", READERS) if words else ("no texts", NETWORKS)
        raise InputError(f"model: '{name}' does not fit inputs that are {what}; take one of {', '.join(fit)}.")
    make, usual = networks[name]
    if ":" in text and not re.fullmatch(r"\d{1,5}(-\d{1,5})*", sizes):
        raise InputError(f"model: sizes must be written {name}:{'-'.join(map(str, usual))}, got '{text}'.")
    hidden = tuple(int(n) for n in sizes.split("-")) if sizes else usual
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make(words if words else tuple(input_shape), outputs, hidden)
