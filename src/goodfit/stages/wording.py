"""What the techniques that change texts share: the numbers of words, of which 0 fills a text up behind its end."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.data.text.vocabulary import PADDING
from goodfit.stages.augmentation import Alteration
from goodfit.technique import knob


def word_share(default: float, search: tuple[float, float], doc: str) -> Any:
    """The knob of a technique that changes each word with a probability."""
    return knob(default=default, low=0, high=1, search=search, neutral=0.0, unit="share of the words", doc=doc)


class Rewording(Alteration, ABC):
    """Changes the words of texts."""

    inputs: ClassVar[str] = "any"
    kinds: ClassVar[tuple[str, ...]] = ("text",)


def even(x: Tensor, generator: torch.Generator) -> Tensor:
    """A number in [0, 1) for each word of texts x (batch, words)."""
    return torch.empty(x.shape, dtype=torch.float32, device=x.device).uniform_(generator=generator)


def there(x: Tensor) -> Tensor:
    """Where texts x (batch, words) have a word."""
    return x != PADDING


def without(x: Tensor, gone: Tensor, drawn: Tensor) -> Tensor:
    """Texts x (batch, words) without some words; of a text that would be empty the word with the largest draw stays.

    >>> x = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0]])
    >>> gone = torch.tensor([[True, False, True, False], [True, True, False, False]])
    >>> without(x, gone, torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.1, 0.2, 0.0, 0.0]]))
    tensor([[6, 0, 0, 0],
            [9, 0, 0, 0]])
    """
    words = there(x)
    last = words & (drawn >= torch.where(words, drawn, -1.0).amax(1, keepdim=True))
    left = words & ~gone
    left = left | (last & ~left.any(1, keepdim=True))
    # Counting where each word goes is linear in their number, which sorting is not; what goes nowhere is cut off.
    end = x.shape[1]
    at = torch.where(left, left.cumsum(1) - 1, end)
    closed = torch.zeros_like(F.pad(x, (0, 1))).scatter(1, at, x)[:, :end]
    return torch.where((left == words).all(1, keepdim=True), x, closed)
