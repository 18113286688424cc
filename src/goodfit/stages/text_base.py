"""The base class of text augmentations, and operations on texts. Word number 0 pads a text at its end."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.data.text.vocabulary import PADDING
from goodfit.stages.augmentation import ValueTransform
from goodfit.technique import knob


def word_rate_knob(default: float, search: tuple[float, float], doc: str) -> Any:
    """Declare the probability with which a technique changes each word, with the neutral value 0."""
    return knob(default=default, low=0, high=1, search=search, neutral=0.0, unit="fraction of the words", doc=doc)


class TextTransform(ValueTransform, ABC):
    """Base class of augmentations of texts: whole numbers (batch, word), padded with 0 at the end."""

    needs_floats: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = ("text",)


def uniform_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a number from U[0, 1) for each word of texts x (batch, word)."""
    return torch.empty(x.shape, dtype=torch.float32, device=x.device).uniform_(generator=generator)


def is_word(x: Tensor) -> Tensor:
    """A mask of the words in texts x (batch, word); padding is False."""
    return x != PADDING


def remove_words(x: Tensor, removed: Tensor, noise: Tensor) -> Tensor:
    """Remove words from texts and close the gaps. A text never becomes empty: its word with the largest noise stays.

    Shape: x (batch, word), removed (batch, word) a mask, noise (batch, word) in [0, 1) → (batch, word).

    >>> x = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0]])
    >>> removed = torch.tensor([[True, False, True, False], [True, True, False, False]])
    >>> remove_words(x, removed, torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.1, 0.2, 0.0, 0.0]]))
    tensor([[6, 0, 0, 0],
            [9, 0, 0, 0]])
    """
    words = is_word(x)
    largest = words & (noise >= torch.where(words, noise, -1.0).amax(1, keepdim=True))
    kept = words & ~removed
    kept = kept | (largest & ~kept.any(1, keepdim=True))
    # Counting the new position of each word takes linear time; sorting would not. Removed words go to position `end`.
    end = x.shape[1]
    position = torch.where(kept, kept.cumsum(1) - 1, end)
    closed = torch.zeros_like(F.pad(x, (0, 1))).scatter(1, position, x)[:, :end]
    return torch.where((kept == words).all(1, keepdim=True), x, closed)
